"""Tables and sentences, as text, Markdown, LaTeX and HTML.

May import `reports.record` and `reports.stats`.
"""
