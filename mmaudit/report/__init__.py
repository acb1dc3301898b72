"""Figures, the HTML page, and the summaries for a terminal and for CI. Reads records; measures no gate."""

from mmaudit.report.figures import draw
from mmaudit.report.html import page
from mmaudit.report.markdown import step_summary
from mmaudit.report.tables import Table, figure_data
from mmaudit.report.terminal import bundle_lines, summary_lines

__all__ = ["Table", "bundle_lines", "draw", "figure_data", "page", "step_summary", "summary_lines"]
