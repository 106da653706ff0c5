"""Assertions for tests of one's own, and the pytest plugin that offers them.

May import `bench`, `reports` and `studies`; nothing imports it.
"""
