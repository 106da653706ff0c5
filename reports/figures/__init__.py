"""Figures: what they show, and how it is drawn.

May import `reports.record` and `reports.stats`.
"""
