"""Experiments as data: names and what they stand for, the file, the identity of a unit.

May import `bench.core` and what lies below it.
"""
