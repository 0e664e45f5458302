"""Checkpoints that are shared: safetensors weights, a manifest of hashes, and golden features that prove the rest.

Nothing in a file is executed. Loading verifies, in this order: the manifest's shape, the hash of every file in it,
names against the closed registries, the tensors' shapes against the model that the manifest describes, built within
a memory budget, and at last the features of fixed golden images, which catch what hashes cannot: a checkpoint that
loads well and computes something else.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import safetensors.torch
import torch
from torch import Tensor

from eqae.errors import CheckpointError, ConfigError, EqaeError, Problem, TrainingDiverged
from eqae.files import write_atomically
from eqae.heads import Head, build_head
from eqae.heads.postprocessing import not_fitted
from eqae.manifest import ALTERED, FORMAT, MANIFEST, WEIGHTS, Manifest, ModelSpec, TensorFacts
from eqae.memory_budget import MemoryBudget
from eqae.models import Autoencoder, build_model
from eqae.nn.basis import blank_bases
from eqae.precision import full_precision
from eqae.verification import check_manifest, file_facts, read_manifest, verified_weights

__all__ = ["Checkpoint", "ModelSpec", "load_checkpoint", "read_manifest", "save_checkpoint"]

GOLDEN_IMAGES = 2
GOLDEN_TOLERANCE = 1e-5
"""Relative to the norm of an image's features; kernels of other machines round differently by about 1e-6."""
HEAD = "head."
"""Before the names of what a head was fitted with, among the names of the model's tensors."""
BUDGET_FACTOR, BUDGET_FREE = 64, 2**25
"""Numbers that building may allocate: per stored one (a matched ``cnn`` tries several sizes), and in any case."""
PASS_HEAD = "fit it (eqae.heads.fitting.fit_heads([head], model, images)) and pass it: save_checkpoint(..., head=head)"
LIBRARIES = ("eqae", "torch", "numpy", "safetensors")

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What a run directory holds, verified, on the CPU, in evaluation mode and without gradients.

    Attributes:
        model: encodes images to V.
        head: turns V into features.
        spec: what they were built from.
        directory: where they came from.
    """

    model: Autoencoder
    head: Head
    spec: ModelSpec
    directory: Path


def save_checkpoint(
    directory: str | Path,
    model: Autoencoder,
    spec: ModelSpec,
    *,
    head: Head | None = None,
    extra_files: Sequence[str] = ("config.yaml",),
) -> None:
    """Write ``model.safetensors`` and, last, ``manifest.json`` into a run directory.

    Everything is computed and checked before the first byte is written; where a manifest stands, the checkpoint is
    complete. The random state is left as it was.

    Args:
        directory: made where it does not exist.
        model: on any device, in any mode; stored as contiguous float32.
        spec: builds a model with the same tensors, and the head whose features are stored as golden.
        head: the head of ``spec``, where it was fitted to images; what it found is stored.
        extra_files: names of files in ``directory`` that are hashed into the manifest where they exist.

    Raises:
        TrainingDiverged: a weight or statistic is NaN or infinite; an older checkpoint stays as it is.
        CheckpointError: ``spec`` does not build this model.
        ConfigError: ``head`` has not been fitted, or is missing where that of ``spec`` has to be; or what it was
            fitted with would have the name of a tensor of ``model``.
    """
    folder = Path(directory)
    if head is not None and head.needs_fit:
        raise not_fitted(f"head of {folder}")
    own, fitted = model.state_dict(), {} if head is None else _named(head)
    for name in sorted(own.keys() & fitted.keys()):
        raise ConfigError(
            f"head of {folder}, tensor {name!r}", "the model has a tensor of this name too", "one tensor a name",
            f"call the part of the model that holds it something else than {HEAD.rstrip('.')!r}",
        )  # fmt: skip
    tensors = {name: _storable(tensor) for name, tensor in (own | fitted).items()}
    for name in _not_finite(tensors):
        raise TrainingDiverged(
            f"{folder / WEIGHTS}, tensor {name!r}", "NaN or infinity", "finite weights",
            "lower the learning rate or clip gradients, and train again",
        )  # fmt: skip
    weights = safetensors.torch.save(tensors)
    files = {WEIGHTS: file_facts(weights)}
    files |= {name: file_facts((folder / name).read_bytes()) for name in extra_files if (folder / name).is_file()}
    rebuilt, rebuilt_head = _rebuild(spec, tensors, f"specification of {folder}", saving=True)
    text = Manifest.model_construct(
        format=FORMAT,
        spec=spec,
        group=model.group.name,
        parameters=_parameters(model),
        tensors=_facts(tensors),
        files=files,
        versions={name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
        golden=_printable(golden_features(rebuilt, rebuilt_head)),
    ).to_json()
    _check_facts(rebuilt, check_manifest(text.encode(), folder / MANIFEST), folder / MANIFEST)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)  # it must never describe other weights than those beside it
    write_atomically(folder / WEIGHTS, weights)
    write_atomically(folder / MANIFEST, text)


def load_checkpoint(directory: str | Path) -> Checkpoint:
    """The model and head of a run directory, proven to give the features they gave when they were saved.

    Needs neither escnn nor anything that only training uses, and leaves the random state as it
    was.

    Raises:
        CheckpointError: the directory is missing, unfinished, of another kind, altered, or of a newer format.
    """
    folder = Path(directory)
    manifest, path = read_manifest(folder), folder / MANIFEST
    tensors = _parse_weights(verified_weights(folder, manifest), folder / WEIGHTS)
    _compare(_facts(tensors), manifest.tensors, folder / WEIGHTS)
    model, head = _rebuild(manifest.spec, tensors, str(path))
    for name in _not_finite(tensors):
        raise CheckpointError(f"{folder / WEIGHTS}, tensor {name!r}", "NaN or infinity", "finite weights", ALTERED)
    _check_facts(model, manifest, path)
    _check_golden(model, head, manifest, path)
    return Checkpoint(model, head, manifest.spec, folder)


def golden_images(image_shape: tuple[int, int, int]) -> Tensor:
    """Two fixed noise images ``(2, C, H, W)`` of whole grey values / 255, equal on every machine and version."""
    channels, height, width = image_shape
    position = torch.arange(1, GOLDEN_IMAGES * channels * height * width + 1, dtype=torch.int64, device="cpu")
    # Two multiplicative steps modulo the Mersenne prime 2^31 - 1; middle bits of the result are the grey value.
    mixed = position * 48271 % 2147483647 * 69621 % 2147483647
    return (mixed // 4096 % 256).float().div(255).unflatten(0, (GOLDEN_IMAGES, *image_shape))


def golden_features(model: Autoencoder, head: Head) -> Tensor:
    """Features ``(2, D)`` of :func:`golden_images`, in full float32."""
    with full_precision():
        features: Tensor = head(model.encode(golden_images(model.image_shape)))
    return features


def _rebuild(
    spec: ModelSpec, tensors: Mapping[str, Tensor], where: str, *, saving: bool = False
) -> tuple[Autoencoder, Head]:
    """Model and head of ``spec`` with the given weights, in evaluation mode on the CPU.

    Settings that the weights do not bear out are refused before memory is allocated for them. Where nothing is there
    of what the head has to be fitted with, a file is damaged, but who is ``saving`` has left the head out.
    """
    stored = sum(tensor.numel() for tensor in tensors.values())
    model = _guarded(where, lambda: _build(spec, BUDGET_FACTOR * stored + BUDGET_FREE))
    fitted = {name for name in tensors if name.startswith(HEAD)} - set(model.state_dict())
    own = {name: tensor for name, tensor in tensors.items() if name not in fitted}
    _compare(_facts(own), _facts(model.state_dict()), where)
    model.load_state_dict(own, strict=True)
    model.eval().requires_grad_(False)
    with torch.device("cpu"):
        head = _guarded(where, lambda: build_head(spec.head, model, spec.head_options))
    head.requires_grad_(False)
    found, wanted = {name: tensors[name] for name in tensors if name in fitted}, _named(head)
    if saving and wanted and not found:
        raise not_fitted(f"{where}, head {spec.head!r}", PASS_HEAD)
    _compare(_facts(found), _facts(wanted), where)
    head.restore({name.removeprefix(HEAD): tensor for name, tensor in found.items()})
    return model, head


def _named(head: Head) -> dict[str, Tensor]:
    """What a head was fitted with, under the names it has in a file."""
    return {f"{HEAD}{name}": tensor for name, tensor in head.statistics().items()}


def _build(spec: ModelSpec, budget: int) -> Autoencoder:
    # Bases of kernels are among the stored tensors, so that neither escnn nor its version matters here.
    with torch.device("cpu"), torch.random.fork_rng(devices=[]), blank_bases(), MemoryBudget(budget):
        return build_model(spec.model, spec.image_shape, spec.model_options).float()


def _guarded(where: str, build: Callable[[], T]) -> T:
    """What ``build`` returns. Its arguments come from a file: whatever goes wrong is the file's fault."""
    try:
        return build()
    except EqaeError as error:
        own = "if it is your own, import the module that registers it first"
        problems = [Problem(f"{where}, {p.where}", p.found, p.expected, p.fix or own) for p in error.problems]
        raise CheckpointError.of(problems) from error
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error)[:200]}"
        raise CheckpointError(where, f"its settings give no working model ({reason})", "", ALTERED) from error


def _parse_weights(content: bytes, path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(content)
    except Exception as error:  # the parser has an error of its own, and KeyError or ValueError for odd types
        raise CheckpointError(str(path), f"not safetensors ({str(error)[:200]})", "safetensors", ALTERED) from error


def _compare(found: Mapping[str, TensorFacts], expected: Mapping[str, TensorFacts], where: str | Path) -> None:
    for name in [*expected, *found]:
        if found.get(name) != expected.get(name):
            raise CheckpointError(
                f"{where}, tensor {name[:100]!r}", _described(found, name), _described(expected, name), ALTERED
            )


def _check_facts(model: Autoencoder, manifest: Manifest, path: Path) -> None:
    facts = {
        "group": (manifest.group, model.group.name),
        "parameters": (manifest.parameters, _parameters(model)),
        "image_shape": (manifest.spec.image_shape, model.image_shape),
    }
    for key, (found, expected) in facts.items():
        if found != expected:
            raise CheckpointError(f"{path}, {key}", f"found {str(found)[:60]}", str(expected), ALTERED)


def _check_golden(model: Autoencoder, head: Head, manifest: Manifest, path: Path) -> None:
    where = f"{path}, golden"
    if [len(row) for row in manifest.golden] != [head.width] * GOLDEN_IMAGES:
        raise CheckpointError(where, "features of another shape", f"{GOLDEN_IMAGES} rows of {head.width}", ALTERED)
    expected = torch.tensor(manifest.golden, dtype=torch.float64, device="cpu")
    error = (_guarded(str(path), lambda: golden_features(model, head)).double() - expected).norm(dim=1)
    if not (error <= GOLDEN_TOLERANCE * expected.norm(dim=1)).all():
        versions = ", ".join(f"{name} {number}" for name, number in manifest.versions.items())[:200]
        raise CheckpointError(
            where, f"these weights now give other features (off by {float((error / expected.norm(dim=1)).max()):.1e})",
            f"a relative difference up to {GOLDEN_TOLERANCE:g}", f"install what made it ({versions}), or {ALTERED}",
        )  # fmt: skip


def _storable(tensor: Tensor) -> Tensor:
    """A copy of its own on the CPU, contiguous, float32 where it is of any floating type."""
    dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return tensor.detach().to("cpu", dtype, copy=True).contiguous()


def _not_finite(tensors: Mapping[str, Tensor]) -> Iterator[str]:
    return (name for name, tensor in tensors.items() if not torch.isfinite(tensor).all())


def _parameters(model: Autoencoder) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _facts(tensors: Mapping[str, Tensor]) -> dict[str, TensorFacts]:
    return {
        name: TensorFacts(shape=tuple(tensor.shape), dtype=str(tensor.dtype).removeprefix("torch."))
        for name, tensor in tensors.items()
    }


def _described(facts: Mapping[str, TensorFacts], name: str) -> str:
    return f"{facts[name].dtype} of shape {facts[name].shape}" if name in facts else "no such tensor"


def _printable(features: Tensor) -> tuple[tuple[float, ...], ...]:
    # Nine significant digits name a float32 uniquely, and print shorter than the double they are held in.
    return tuple(tuple(float(f"{value:.9g}") for value in row) for row in features.tolist())
