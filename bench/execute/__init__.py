"""Running the units of an experiment: here, in local processes, on a Dask cluster.

May import `bench.store` and what lies below it.
"""
