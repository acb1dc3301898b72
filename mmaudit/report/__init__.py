"""Figures, the HTML page, and the summaries for a terminal and for CI. Reads records; measures no gate."""

from mmaudit.report.figures import draw
from mmaudit.report.github import annotations
from mmaudit.report.html import page
from mmaudit.report.huggingface import model_card
from mmaudit.report.interchange import ctrf
from mmaudit.report.markdown import step_summary
from mmaudit.report.shield import badge
from mmaudit.report.suspects import SuspectList, suspect_lists
from mmaudit.report.tables import Table, figure_data
from mmaudit.report.terminal import bundle_lines, summary_lines

__all__ = [
    "SuspectList",
    "Table",
    "annotations",
    "badge",
    "bundle_lines",
    "ctrf",
    "draw",
    "figure_data",
    "model_card",
    "page",
    "step_summary",
    "summary_lines",
    "suspect_lists",
]
