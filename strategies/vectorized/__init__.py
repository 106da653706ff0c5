"""Strategies that carry out many runs at once, named after their sequential form.

May import that form, `spaces` and `bench.core`.
"""
