"""Runs that were finished before: the run cache and the bundled baselines.

May import `bench.execute` and what lies below it.
"""
