"""What a contract is made of: a condition with its message, and how far tensors are apart."""

from __future__ import annotations

from torch import Tensor


def require(condition: bool, message: str) -> None:
    """Raise ``AssertionError`` with ``message`` unless ``condition`` holds."""
    if not condition:
        raise AssertionError(message)


def distance(a: Tensor, b: Tensor) -> float:
    """Largest ``|a − b|``."""
    require(a.shape == b.shape, f"shape {tuple(a.shape)} after the action, {tuple(b.shape)} before")
    return (a - b).abs().amax().item()


def relative(a: Tensor, b: Tensor) -> float:
    """Largest ``|a − b|`` relative to the largest ``|b|``."""
    return distance(a, b) / max(b.abs().amax().item(), 1e-30)


def all_below(errors: dict[str, float], tolerance: float) -> dict[str, float]:
    """``errors``, all of them below ``tolerance``, or an ``AssertionError`` that lists those that are not."""
    wrong = {name: error for name, error in errors.items() if not error < tolerance}
    listed = "; ".join(f"{name}: {error:.3g}" for name, error in wrong.items())
    require(not wrong, f"relative error above {tolerance:g} for {len(wrong)} of {len(errors)} elements: {listed}")
    return errors
