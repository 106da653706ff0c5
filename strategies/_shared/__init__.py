"""What several strategies use.

May import `spaces` and `bench.core`.
"""
