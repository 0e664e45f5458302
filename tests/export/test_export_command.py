"""``python -m eqae.export`` as a user runs it: what it writes, what it prints, and how it refuses."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from run_factory import make_run, spec

from eqae.checkpoint import load_checkpoint
from eqae.export import as_torch, formats
from eqae.export.__main__ import main
from eqae.export.checking import Difference, ExportError, compare, random_images, rounding
from eqae.export.exporting import export_features
from eqae.extractor import load_extractor

PCA = spec("mean", model="pca", components=5)
CONFIG = "data: {name: digits, size: 16}\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A small run that is traced within a second, with data that is always at hand."""
    folder = make_run(tmp_path / "run", PCA)
    (folder / "config.yaml").write_text(CONFIG)
    return folder


def files_of(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("to", formats.FORMATS)
def test_a_run_becomes_a_file_beside_it_checked_on_random_and_on_real_images(
    run: Path, to: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(run)
    assert main([str(run), "--to", to]) == 0
    printed = capsys.readouterr().out
    (file,) = files_of(run) - before
    assert file == run / "export" / f"features{formats.FORMATS[to].suffix}"
    assert f"written  {file}" in printed
    for kind in ("random images", "test images"):
        assert f"checked on 64 {kind}: largest difference" in printed
    load_extractor(run)  # a file more beside a checkpoint is none of its business


def test_another_head_is_exported_under_its_name(run: Path) -> None:
    path = export_features(run, "safetensors", head="max")
    assert path == run / "export" / "features-max.safetensors"


def test_a_file_that_is_there_is_not_written_over(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = run / "mine.onnx"
    out.write_text("precious")
    assert main([str(run), "--to", "onnx", "--out", str(out)]) == 2
    assert "already" in capsys.readouterr().err
    assert out.read_text() == "precious"


def test_data_that_is_not_at_hand_is_said_and_stops_nothing(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EQAE_DATA", raising=False)
    (run / "config.yaml").write_text("data: mnist\n")
    assert main([str(run), "--to", "safetensors"]) == 0
    assert "not checked on test images: data.root" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--to", "onx"], "did you mean 'onnx'"),
        (["--to", "torch", "--out", "features.onnx"], "ends in .pt2"),
        (["--to", "torch", "--head", "grem"], "did you mean 'gram'"),
        (["--to", "torch", "--head", "attention"], "model trained with attention"),
    ],
    ids=["format", "suffix", "head", "attention"],
)
def test_a_mistake_gets_one_message_and_nothing_is_written(
    run: Path, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(run)
    assert main([str(run), *arguments]) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert complaint in message
    assert files_of(run) == before


def test_a_folder_without_a_checkpoint_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere"), "--to", "torch"]) == 2
    assert "no such directory" in capsys.readouterr().err
    assert not files_of(tmp_path)


@pytest.mark.parametrize("averaged", [False, True], ids=["zernike", "its orbit mean"])
def test_a_model_that_leaves_torch_says_which_ones_can_be_exported(
    averaged: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zernike = spec("mean", model="orbit_mean", base={"name": "zernike"}) if averaged else spec("mean", model="zernike")
    run = make_run(tmp_path / "run", zernike)
    before = files_of(run)
    assert main([str(run), "--to", "torch"]) == 2
    message = capsys.readouterr().err
    assert zernike.model in message
    assert "cannot be traced" in message
    assert "eqae_copies" in message
    assert files_of(run) == before


def test_packages_that_are_missing_come_with_the_command_that_installs_them(
    run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = formats.find_spec
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name == "onnxruntime" else real(name))
    assert main([str(run), "--to", "onnx"]) == 2
    message = capsys.readouterr().err
    assert "not installed: onnxruntime" in message
    assert "pip install onnxruntime" in message


def off_by(shift: float, unpack: Callable[[bytes], Callable[..., NDArray[np.float32]]]) -> Callable[[bytes], object]:
    def spoilt(content: bytes) -> object:
        function = unpack(content)
        return lambda images: (function(images) + np.float32(shift)).astype(np.float32)

    return spoilt


@pytest.mark.parametrize("shift", [1e-2, math.nan])
def test_a_file_that_gives_other_features_is_not_written(
    run: Path, shift: float, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(as_torch, "unpack", off_by(shift, as_torch.unpack))
    before = files_of(run)
    assert main([str(run), "--to", "torch"]) == 2
    assert "nothing was written" in capsys.readouterr().err
    assert files_of(run) == before
    assert not (run / "export").exists()


def test_a_difference_is_held_against_the_models_own_rounding_where_that_is_larger() -> None:
    def never() -> float:
        raise AssertionError

    Difference(1.0, 9e-6).check("images", never)
    Difference(1.0, 2e-5).check("images", lambda: 1e-5)
    for relative, own in ((2e-5, 1e-6), (4e-5, 1e-5), (math.nan, 1e-5), (math.inf, 1e-5)):
        with pytest.raises(ExportError, match="at most"):
            Difference(1.0, relative).check("images", lambda own=own: own)


def test_differences_are_measured_at_several_batch_sizes_relative_to_each_images_features(run: Path) -> None:
    extractor, sizes = load_extractor(run, layout="NCHW"), []
    images = random_images(PCA.image_shape)

    def doubled(part: NDArray[np.uint8]) -> NDArray[np.float32]:
        sizes.append(len(part))
        return 2 * extractor.transform(part)

    difference = compare(doubled, extractor, images)
    assert sizes == [1, 3, 60]
    assert difference.relative == pytest.approx(1, abs=1e-6)
    assert difference.absolute == np.abs(extractor.transform(images)).max()


def test_the_models_own_rounding_is_that_of_single_precision(run: Path) -> None:
    checkpoint = load_checkpoint(run)
    own = rounding(checkpoint.model, checkpoint.head, load_extractor(run), random_images(PCA.image_shape))
    assert 1e-9 < own < 1e-5
    assert next(checkpoint.model.buffers()).dtype == torch.float32


SCRIPT = """
import sys
from eqae.export.__main__ import main
try:
    main(["--help"])
finally:
    assert not {"torch", "numpy", "onnx"} & set(sys.modules)
"""


def test_help_lists_the_formats_and_imports_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in ("torch", "onnx", "safetensors", "--head", "--out"))
