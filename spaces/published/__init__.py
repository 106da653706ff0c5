"""The search spaces of published benchmarks, one file each.

May import the modules of `spaces` itself, no network and no format.
"""
