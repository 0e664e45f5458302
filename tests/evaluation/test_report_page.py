"""The page stands on its own, survives whatever was not measured, and believes no name it is given."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from report_factory import MODELS, digit_poses, fabricate, row

from eqae.evaluation.report import Poses, write_report
from eqae.evaluation.results import Results

NASTY = "<script>alert('x')</script> & \"$\\frac{1}{0}$\" 海"
TEN = tuple(f"eqae_p4m:head{index}" for index in range(10))


class Parsed(HTMLParser):
    """Every tag with its attributes, the text of every element, and whether all that was opened was closed."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "meta", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def written(path: Path, results: Results, poses: list[Poses] | None = None, **facts: str) -> str:
    write_report(path / "report.html", results, poses or [], "A page", facts, {MODELS[0]: "the one in question"})
    return (path / "report.html").read_text(encoding="utf-8")


def headings(document: str) -> list[str]:
    return re.findall(r"<h2>(.*?)</h2>", document)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(tmp_path_factory.mktemp("full"), fabricate(), digit_poses(), Command="uv run train.py")


def test_the_page_has_every_section_in_order(full: str) -> None:
    assert headings(full) == [
        "Overview", "Invariance", "Reconstructions", "Classification", "Clustering", "Choice without labels",
        "Feature maps", "All figures", "Provenance",
    ]  # fmt: skip


def test_the_page_needs_nothing_from_outside(full: str) -> None:
    parsed = Parsed(full)
    assert not parsed.open
    for tag, attributes in parsed.tags:
        assert tag not in ("script", "link", "iframe", "object", "base")
        for name in ("src", "srcset"):
            assert (attributes.get(name) or "data:").startswith("data:")
        assert (attributes.get("href") or "#").startswith("#")
    assert "http:" not in full
    assert "https:" not in full
    assert "url(" not in full
    assert "@import" not in full


def test_every_link_leads_to_a_section(full: str) -> None:
    tags = Parsed(full).tags
    anchors = {attributes["id"] for tag, attributes in tags if tag == "section"}
    assert {(attributes["href"] or "")[1:] for tag, attributes in tags if tag == "a"} == anchors


def test_every_picture_has_words_for_those_who_do_not_see_it(full: str) -> None:
    pictures = [attributes for tag, attributes in Parsed(full).tags if tag == "img"]
    assert len(pictures) == 2 + 8 + 3 * len(MODELS)
    assert all(attributes["alt"] for attributes in pictures)


def test_one_model_has_one_colour_on_the_whole_page(full: str) -> None:
    for model in MODELS:
        pattern = r"background:(#\w+)\"></i>" + re.escape(model) + r"</span>"
        assert len(set(re.findall(pattern, full))) == 1
        assert len(re.findall(pattern, full)) >= 7


def test_it_says_where_turned_images_are_a_sample(full: str, tmp_path: Path) -> None:
    results = fabricate(MODELS[:1], images=50)
    assert "judged on 256 of the 10,000 images, turned" in full
    results.rows = [replace(line, n=256) for line in results.rows]
    assert "judged on turned ones." in written(tmp_path, results)
    results.rows = [line for line in results.rows if not line.condition]
    assert "Turned:" not in written(tmp_path, results)


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    results = fabricate(MODELS[:1], images=50)
    assert written(tmp_path, results) == written(tmp_path, results)


def test_ten_models_with_121_classes_stay_below_five_megabytes(tmp_path: Path) -> None:
    document = written(tmp_path, fabricate(TEN, classes=121), digit_poses(TEN))
    assert len(document.encode()) < 5e6
    assert "111 smaller classes" in document


def test_coloured_photographs_of_ten_models_stay_below_five_megabytes(tmp_path: Path) -> None:
    noise = torch.rand(8, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    document = written(tmp_path, fabricate(TEN[:1], images=50), [Poses(label, noise, noise) for label in TEN])
    assert len(document.encode()) < 5e6


def test_names_cannot_smuggle_in_markup(tmp_path: Path) -> None:
    results = fabricate((NASTY, "cnn"), images=50)
    for model in (NASTY, "cnn"):
        results.drawings[model, "confusion"]["classes"][4] = NASTY
    results.rows.append(row("linear_probe_accuracy", 0.5, "cnn", NASTY, dataset=NASTY, evaluator=NASTY))
    poses = digit_poses((NASTY,))
    write_report(tmp_path / "report.html", results, poses, NASTY, {NASTY: NASTY}, {NASTY: NASTY, "cnn": NASTY})
    parsed = Parsed((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "script" not in {tag for tag, _ in parsed.tags}
    assert parsed.text.count(NASTY) > 10


def test_no_number_is_shown_as_nan(tmp_path: Path) -> None:
    results = fabricate(MODELS[:3], images=50)
    results.rows = [
        replace(r, value=math.nan, low=math.nan, high=math.inf) if r.model.startswith(MODELS[0]) else r
        for r in results.rows
    ]
    results.drawings[MODELS[0], "angle_curve"] |= {"error": [math.nan] * 37, "floor": None, "untrained": None}
    document = written(tmp_path, results)
    text = " ".join(Parsed(document).text)
    assert not re.search(r"\b(nan|inf)\b", text, re.IGNORECASE)
    assert '<td title="undefined for these features" class="absent">—</td>' in document


def test_a_metric_a_model_has_not_is_a_dash_that_says_so(full: str) -> None:
    assert '<td title="not measured" class="absent">—</td>' in full


def test_one_model_alone_is_not_called_best(tmp_path: Path) -> None:
    document = written(tmp_path, fabricate(MODELS[:1], images=50), digit_poses(MODELS[:1]))
    assert 'class="best"' not in document
    assert "is best" not in document
    assert "1 model<" in document


def test_images_without_labels_leave_out_what_needs_them(tmp_path: Path) -> None:
    document = written(tmp_path, fabricate(MODELS[:2], labelled=False, images=50))
    assert headings(document) == ["Overview", "Invariance", "Feature maps", "All figures"]
    assert "carry no labels" in document


def test_no_drawings_leave_a_page_of_tables(tmp_path: Path) -> None:
    document = written(tmp_path, Results(rows=fabricate(MODELS[:2], images=50).rows))
    assert headings(document) == ["Overview", "Invariance", "Classification", "Clustering", "All figures"]
    assert document.count("<img") == 1  # the dot plot needs rows alone


def test_no_rows_leave_a_page_of_facts(tmp_path: Path) -> None:
    assert headings(written(tmp_path, Results(), Dataset="digits")) == ["Provenance"]


def test_rows_read_back_from_a_file_give_a_page(tmp_path: Path) -> None:
    results = fabricate(MODELS[:2], images=50)
    results.to_json(tmp_path / "results.json")
    again = Results.from_json(tmp_path / "results.json")
    assert "Clustering" in written(tmp_path, again)


@pytest.mark.parametrize("value", [0.0, 1e-8], ids=["constant", "rounding"])
def test_a_curve_with_nothing_to_see_breaks_nothing(tmp_path: Path, value: float) -> None:
    results = Results(rows=[row("relative_invariance_error", value, "a", "any-angle")])
    curve = {"angles": [0, 90, 360], "error": [0, value, 0], "floor": [0, 0, 0], "untrained": None}
    results.drawings["a", "angle_curve"] = curve
    points = torch.zeros(5, 2).numpy()
    labels = torch.zeros(5, dtype=torch.int64).numpy()
    results.drawings["a", "projection"] = {"pca": points, "tsne": points, "labels": labels, "explained": [0.0, 0.0]}
    assert written(tmp_path, results).count("<img") == 3


def test_a_failed_report_leaves_the_old_one(tmp_path: Path) -> None:
    before = written(tmp_path, fabricate(MODELS[:1], images=50))
    broken = fabricate(MODELS[:1], images=50)
    broken.drawings[MODELS[0], "projection"] = {"pca": "not points"}
    with pytest.raises((KeyError, ValueError)):
        written(tmp_path, broken)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == before


def test_missing_folders_are_made(tmp_path: Path) -> None:
    assert written(tmp_path / "runs" / "first", Results()).startswith("<!doctype html>")
