"""What needs both experiments and reports: compare, reproduce, drift, import of tables.

May import `bench`, `spaces` and `reports`; only the command line and `testing` import it.
"""
