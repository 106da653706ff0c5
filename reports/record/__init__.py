"""From results folders to regret curves.

May import `reports.stats` and the store's reader.
"""
