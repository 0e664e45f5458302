"""From a run directory to a file that gives its features without this package."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from eqae.checkpoint import Checkpoint, load_checkpoint
from eqae.errors import ConfigError, EqaeError
from eqae.export import as_onnx, as_safetensors, as_torch
from eqae.export.checking import Function, compare, random_images, real_images, rounding
from eqae.export.formats import get_format
from eqae.export.pixels import plain_features
from eqae.export.target import target
from eqae.export.tracing import trace
from eqae.extractor import FeatureExtractor, load_extractor
from eqae.files import write_atomically
from eqae.heads import Head, build_head
from eqae.heads.postprocessing import not_fitted
from eqae.manifest import WEIGHTS
from eqae.verification import read_manifest

WRITERS = {"torch": as_torch, "onnx": as_onnx, "safetensors": as_safetensors}


def export_features(
    run: str | Path,
    to: str,
    *,
    head: str | None = None,
    out: str | Path | None = None,
    console: Console | None = None,
) -> Path:
    """Write the features of a run as one file, after comparing what it gives with what the model gives.

    The file takes pixels ``(N, C, H, W)`` uint8, N >= 1, and gives features ``(N, D)`` float32. It holds the encoder
    and the head, its fitted post-processing included; the decoder is left out.

    Args:
        run: a run directory.
        to: ``torch``, ``onnx`` or ``safetensors``.
        head: another head than the run's own, as for :func:`eqae.load_extractor`.
        out: the file; None for ``RUN/export/features`` (``features-HEAD`` for another head) with the format's suffix.
        console: where to say what was found.

    Returns:
        The file.

    Raises:
        CheckpointError: ``run`` is missing, unfinished, altered or not a run directory.
        ConfigError: no such format or head, packages that are missing, a model that cannot be traced, or a file that
            is there already or cannot be written.
        ExportError: the file would give other features than the model; it is not written.
    """
    console = console or Console(soft_wrap=True)
    format_ = get_format(to)
    format_.check_packages()
    path = target(Path(run), format_, head, None if out is None else Path(out))
    checkpoint = load_checkpoint(run)
    chosen = _chosen_head(checkpoint, head)
    facts = _facts(checkpoint, chosen, head)
    _say(
        console,
        f"  {facts['model']}, {facts['group']}, {facts['head']}: {facts['images']} → float32 (N, {chosen.width})",
    )
    with console.status("tracing"):
        program = trace(plain_features(checkpoint.model, chosen), f"{run}, model {checkpoint.spec.model!r}")
        content = WRITERS[to].pack(program, facts)
    _check(WRITERS[to].unpack(content), checkpoint, chosen, load_extractor(run, head=head, layout="NCHW"), console)
    _write(path, content)
    _say(console, f"written  {path} ({len(content):,} bytes)")
    return path


def _chosen_head(checkpoint: Checkpoint, name: str | None) -> Head:
    """The head that :func:`eqae.load_extractor` takes under this name."""
    if name is None or name == checkpoint.spec.head:
        return checkpoint.head
    head = build_head(name, checkpoint.model, {})
    if head.needs_fit:
        raise not_fitted(f"head {name!r}")
    return head


def _facts(checkpoint: Checkpoint, head: Head, name: str | None) -> dict[str, str]:
    """Where the features come from; stands in the file."""
    channels, height, width = checkpoint.spec.image_shape
    return {
        "eqae": version("eqae"),
        "model": checkpoint.spec.model,
        "group": checkpoint.model.group.name,
        "head": name or checkpoint.spec.head,
        "width": str(head.width),
        "images": f"uint8 (N, {channels}, {height}, {width})",
        "dataset": checkpoint.spec.dataset,
        "weights_sha256": read_manifest(checkpoint.directory).files[WEIGHTS].sha256,
    }


def _check(
    function: Function, checkpoint: Checkpoint, head: Head, extractor: FeatureExtractor, console: Console
) -> None:
    """Print and judge the largest difference on random images, and on real ones where they are at hand."""
    pictures = {"random images": random_images(extractor.image_shape)}
    try:
        pictures["test images"] = real_images(checkpoint.directory)
    except EqaeError as error:
        _say(console, f"  not checked on test images: {error.problems[0].where}: {error.problems[0].found}")
    for kind, images in pictures.items():
        difference = compare(function, extractor, images)
        _say(console, f"  checked on {len(images)} {kind}: {difference}")
        difference.check(kind, partial(rounding, checkpoint.model, head, extractor, images))


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    except OSError as error:
        reason = error.strerror or "it cannot be written"
        raise ConfigError(str(path), reason, "a file that can be written", "choose another with --out") from None


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False)
