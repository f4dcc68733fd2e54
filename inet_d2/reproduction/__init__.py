"""The tables of the paper: which runs they need, and the published figures beside ours."""

from inet_d2.reproduction.paper_table import PaperRow, format_differences, format_paper_table
from inet_d2.reproduction.plan import PREDICTIONS, Reproduction
from inet_d2.reproduction.step import Step

__all__ = ["PREDICTIONS", "PaperRow", "Reproduction", "Step", "format_differences", "format_paper_table"]
