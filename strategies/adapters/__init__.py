"""Optimizers of other libraries as strategies.

May import `spaces` and `bench.core`, each its library when it runs.
"""
