"""The report's section on attention: there where a model has some, and silent elsewhere."""

from __future__ import annotations

from pathlib import Path

from report_factory import fabricate

from eqae.evaluation.report.page import write_report
from eqae.evaluation.results import Results
from eqae.evaluation.row import Row


def page(results: Results, folder: Path) -> str:
    write_report(folder / "report.html", results, [], "title", {}, {})
    return (folder / "report.html").read_text(encoding="utf-8")


def figure(metric: str, value: float, condition: str = "", *, more: bool = True) -> Row:
    return Row("decided", "images", "attention", metric, condition, value, None, None, more, 100, 0)


def test_attention_has_a_section_of_its_own(tmp_path: Path) -> None:
    results = Results(
        [
            figure("attention_entropy", 0.25, more=False), figure("attention_peak_share", 0.875),
            figure("pose_consistency", 0.96, "D4"),
        ]
    )  # fmt: skip
    document = page(results, tmp_path)
    assert "<h2>Attention</h2>" in document
    section = document.split("<h2>Attention</h2>")[1].split("</section>")[0]
    for said in ("decided", "87.5", "96.0", "0.25"):
        assert said in section


def test_models_without_attention_leave_no_section(tmp_path: Path) -> None:
    assert "<h2>Attention</h2>" not in page(fabricate(), tmp_path)
