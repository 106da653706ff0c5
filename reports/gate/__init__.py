"""Did a strategy get worse? The comparison with a baseline and its outcome.

May import `reports.page` and what lies below it.
"""
