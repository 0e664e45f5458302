"""Which image sizes keep a windowed layer exactly equivariant, and how to plan a network so that all of them do.

A layer with kernel ``k``, stride ``s`` and padding ``p`` on both sides commutes with the reversal of an axis of
length ``H`` if and only if no row is dropped: ``(H + 2p - k) % s == 0``. Otherwise the last window ends before the
padded edge, the dropped remainder changes sides under the reversal, and the layer samples other pixels. The planner
chooses the kernel by the parity of the incoming size, so that every size has an exact chain.
"""

from __future__ import annotations

from dataclasses import dataclass

from eqae.errors import ConfigError


@dataclass(frozen=True)
class Window:
    """Kernel, stride and padding (on all four sides) of a convolution or pooling.

    Example:
        >>> Window(4, 2, 1).output_size(28), Window(3, 2, 1).is_exact(28)
        (14, False)
    """

    kernel: int
    stride: int = 1
    padding: int = 0

    def output_size(self, size: int) -> int:
        """Side of the output for an input of side ``size``."""
        return (size + 2 * self.padding - self.kernel) // self.stride + 1

    def transposed_size(self, size: int) -> int:
        """Side of the output of the transposed layer, with no output padding."""
        return (size - 1) * self.stride - 2 * self.padding + self.kernel

    def is_exact(self, size: int) -> bool:
        """Whether the windows cover an axis of ``size`` symmetrically."""
        slack = size + 2 * self.padding - self.kernel
        return slack >= 0 and slack % self.stride == 0

    def check(self, layer: str, size: int) -> None:
        """Refuse a size on which ``layer`` would be only approximately equivariant.

        Raises:
            ConfigError: with the layer's name and the nearest sizes that work.
        """
        if self.is_exact(size):
            return
        near = sorted((s for s in range(1, size + 2 * self.stride + self.kernel) if self.is_exact(s)),
                      key=lambda s: abs(s - size))[:2]  # fmt: skip
        raise ConfigError(
            layer,
            f"a window of kernel {self.kernel}, stride {self.stride}, padding {self.padding} is not symmetric on "
            f"size {size}",
            "(size + 2·padding − kernel) divisible by the stride",
            f"use an input of size {' or '.join(map(str, sorted(near)))}, or let plan_sizes choose the kernel",
        )


def halving(size: int) -> Window:
    """The stride-2 window that is exact on ``size``: kernel 3 on odd sizes, kernel 4 on even ones."""
    return Window(3, 2, 1) if size % 2 else Window(4, 2, 1)


@dataclass(frozen=True)
class SizePlan:
    """The chain of sizes of an encoder; run backwards it is the decoder's.

    Attributes:
        sizes: side of the image, then of the output of each stride-2 stage.
        windows: the exact window of each stage, ``len(sizes) - 1`` of them.
    """

    sizes: tuple[int, ...]
    windows: tuple[Window, ...]

    @property
    def collapse(self) -> Window:
        """The last window: it covers the whole remaining map and leaves one pixel."""
        return Window(self.sizes[-1])


def plan_sizes(image_shape: tuple[int, int, int], stages: int) -> SizePlan:
    """Halve a square image ``stages`` times with windows that are exact at every size.

    Args:
        image_shape: ``(C, H, W)``.
        stages: number of stride-2 stages; at least 2x2 pixels must remain after them.

    Raises:
        ConfigError: the image is not square, or too small for the number of stages.

    Example:
        >>> plan_sizes((1, 29, 29), 3).sizes
        (29, 15, 8, 4)
    """
    _, height, width = image_shape
    if height != width:
        side = max(height, width)
        raise ConfigError(
            "image size", f"{height}x{width}", "square images, which quarter turns map onto themselves",
            f"pad or resize them to {side}x{side} (data.size={side} where the dataset has it)",
        )  # fmt: skip
    smallest = 2**stages + 1
    if height < smallest:
        raise ConfigError(
            "image size", f"{height}x{height} with {stages} stride-2 stages leaves less than 2x2 pixels",
            f"at least {smallest}x{smallest}",
            f"resize to {smallest} or more, or give model.fields at most {max(stages_for(height), 0)} numbers",
        )  # fmt: skip
    sizes = [height]
    windows: list[Window] = []
    for _ in range(stages):
        windows.append(halving(sizes[-1]))
        sizes.append(windows[-1].output_size(sizes[-1]))
    return SizePlan(tuple(sizes), tuple(windows))


def stages_for(size: int) -> int:
    """The largest number of stride-2 stages after which at least 2x2 pixels of ``size`` remain."""
    return (size - 1).bit_length() - 1 if size > 1 else 0
