"""The report's page.

May import `reports.figures`, `reports.text` and what lies below them.
"""
