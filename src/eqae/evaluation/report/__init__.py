"""The report: what was measured, as a page to look at and as a table on the terminal. Nothing here computes a score."""

from __future__ import annotations

from eqae.evaluation.report.page import write_report
from eqae.evaluation.report.poses import Poses, eight_poses
from eqae.evaluation.report.terminal import print_table

__all__ = ["Poses", "eight_poses", "print_table", "write_report"]
