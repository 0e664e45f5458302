"""The one door to escnn, which is optional: it is the witness of the tests, never a layer library at run time."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from types import ModuleType
from typing import Any


def import_escnn() -> ModuleType:
    """``escnn`` with ``escnn.nn``, ``escnn.gspaces`` and ``escnn.group`` loaded, ready for planar groups.

    Two of its dependencies serve SO(3) alone and do not run on numpy 2; an empty stand-in takes their place. With
    scikit-learn >= 1.2 at hand its randomised SVD refuses the matrices of groups with reflections; without it escnn
    uses scipy's.

    Raises:
        ImportError: escnn is not installed.
    """
    if "escnn" not in sys.modules:
        _stand_in_for_lie_learn()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces the missing SO(3) helper and its use of deprecated numpy names
        escnn = import_module("escnn")
        for part in ("group", "gspaces", "nn"):
            import_module(f"escnn.{part}")
        numerical: Any = import_module("escnn.group._numerical")
    numerical.randomized_svd = None
    return escnn


def _stand_in_for_lie_learn() -> None:
    name = ""
    for part in ("lie_learn", "representations", "SO3", "wigner_d"):
        name = f"{name}.{part}".lstrip(".")
        sys.modules.setdefault(name, ModuleType(name))

    def refuse(*args: object, **kwargs: object) -> None:
        raise NotImplementedError("representations of SO(3) are not available: lie_learn does not run on numpy 2")

    wigner: Any = sys.modules[name]
    wigner.wigner_D_matrix = getattr(wigner, "wigner_D_matrix", refuse)
