"""Results over time, and where they changed.

May import `reports.gate` and what lies below it.
"""
