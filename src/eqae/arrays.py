"""Images as users hold them: numpy or torch, in any of three layouts, uint8 or float."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from eqae.data.base import as_float, check_pixels
from eqae.errors import ConfigError, DataError, suggest

Layout: TypeAlias = Literal["NHW", "NCHW", "NHWC"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)
Shape: TypeAlias = tuple[int, int, int]


def as_array(images: ArrayLike | Tensor, where: str = "images") -> np.ndarray | Tensor:
    """``images`` as a numpy array or a tensor that holds at least one number; nothing is copied or converted.

    Raises:
        DataError: rows of different lengths, objects, text, or a type that is neither uint8 nor float.
    """
    if isinstance(images, Tensor):
        if images.dtype != torch.uint8 and not images.is_floating_point():
            _refuse_type(where, str(images.dtype))
        return images.detach()
    try:
        array = np.asarray(images)
    except ValueError:
        raise DataError(where, "images of different shapes", "one array", "resize them to one size") from None
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        _refuse_type(where, f"dtype {array.dtype}")
    return array


def resolve_layout(found: tuple[int, ...], image_shape: Shape, layout: Layout | None) -> Layout:
    """The layout that images of shape ``found`` are in; inferred where only one fits the model.

    Args:
        found: shape of the whole array.
        image_shape: ``(C, H, W)`` the model was trained on.
        layout: what the user declared, or None.

    Raises:
        ConfigError: ``layout`` is none of the three.
        DataError: no images, no layout fits, or two do; with the model's size and what to do.
    """
    if layout is not None and layout not in LAYOUTS:
        raise ConfigError("layout", f"{layout!r}", f"one of {', '.join(LAYOUTS)}", suggest(str(layout), LAYOUTS))
    shapes = _layout_shapes(image_shape)
    candidates = [layout] if layout else list(LAYOUTS)
    fitting = [name for name in candidates if shapes.get(name) == found[1:]]
    if not fitting:
        _refuse_shape(found, image_shape, layout)
    if len(fitting) > 1:
        raise DataError(
            "images", f"shape {found}, which could be {' or '.join(fitting)}", "a declared layout",
            f"pass layout={fitting[0]!r} to load_extractor",
        )  # fmt: skip
    if found[0] == 0:
        raise DataError("images", "no images", "at least one image")
    return fitting[0]


def read_chunk(images: np.ndarray | Tensor, start: int, stop: int, layout: Layout) -> Tensor:
    """Images ``start`` to ``stop`` as checked float32 in [0, 1], ``(B, C, H, W)`` on the CPU.

    Raises:
        DataError: pixels that are NaN, infinite or outside [0, 1]; the image is named.
    """
    chunk = images[start:stop]
    if isinstance(chunk, Tensor):
        pixels = chunk.cpu()
        pixels = pixels if pixels.dtype == torch.uint8 else pixels.float()
    else:
        dtype = np.uint8 if chunk.dtype == np.uint8 else np.float32
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused below
            pixels = torch.from_numpy(np.array(chunk, dtype))
    pixels = pixels.unsqueeze(1) if layout == "NHW" else pixels
    pixels = pixels.movedim(-1, 1) if layout == "NHWC" else pixels
    check_pixels(pixels, f"images[{start}:]" if start else "images")
    return as_float(pixels)


def _layout_shapes(image_shape: Shape) -> dict[Layout, tuple[int, ...]]:
    channels, height, width = image_shape
    shapes: dict[Layout, tuple[int, ...]] = {
        "NCHW": (channels, height, width),
        "NHWC": (height, width, channels),
    }
    return shapes | {"NHW": (height, width)} if channels == 1 else shapes


def _refuse_type(where: str, found: str) -> None:
    raise DataError(
        where, found, "uint8 (0..255) or float ([0, 1])",
        "convert it: uint8 for values of 0..255, else float32 divided by the largest value",
    )  # fmt: skip


def _refuse_shape(found: tuple[int, ...], image_shape: Shape, layout: Layout | None) -> None:
    shapes = _layout_shapes(image_shape)
    offered = [layout] if layout in shapes else list(shapes)
    expected = " or ".join(f"(N, {', '.join(map(str, shapes[name]))})" for name in offered)
    raise DataError("images", f"shape {found}", expected, _shape_fix(found, image_shape, layout))


def _shape_fix(found: tuple[int, ...], image_shape: Shape, layout: Layout | None) -> str:
    """What mends the likeliest reason why ``found`` does not fit."""
    channels, height, width = image_shape
    if found in _layout_shapes(image_shape).values():
        return "this is one image: pass images[None]"
    if len(found) == 2 and found[1] == math.prod(image_shape):
        return f"pass images, not their pixels in one row: {_unflattened(image_shape)}"
    seen = _channels_and_size(found, layout)
    if seen is None:
        return "pass images, not vectors: one row, one column and perhaps a channel axis for each image"
    if seen[1] != (height, width):
        return (
            f"the model was trained on images of {height}x{width}: resize yours to that size, e.g. with "
            f"torchvision.transforms.v2.functional.resize(images, [{height}, {width}], antialias=True)"
        )
    if seen[0] == 3:
        return "the model was trained on grey images: average the three channels"
    return f"the model was trained on {channels} channel(s): repeat the grey channel, or train on grey images"


def _unflattened(image_shape: Shape) -> str:
    channels, height, width = image_shape
    if channels == 1:
        return f"images.reshape(-1, {height}, {width})"
    first, last = f"(-1, {channels}, {height}, {width})", f"(-1, {height}, {width}, {channels})"
    return f"images.reshape{first}, or {last} where the channels of a pixel stand together"


def _channels_and_size(found: tuple[int, ...], layout: Layout | None) -> tuple[int, tuple[int, ...]] | None:
    if len(found) == 3:
        return 1, found[1:]
    if len(found) != 4:
        return None
    last = layout == "NHWC" or (layout is None and found[1] not in (1, 3) and found[3] in (1, 3))
    return (found[3], found[1:3]) if last else (found[1], found[2:])
