"""From the record to regret curves, tables, figures and a page; reads results folders only."""

from .report import FORMATS, write_report

__all__ = ["FORMATS", "write_report"]
