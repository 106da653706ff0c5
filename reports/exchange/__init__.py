"""Records in other tools' formats, one file a format.

May import `reports.stats` and the store.
"""
