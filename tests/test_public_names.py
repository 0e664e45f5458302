"""The names of the package: cheap to import, complete, and known to type checkers."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import eqae
from eqae import errors, registry

HEAVY = ("torch", "numpy", "pydantic", "sklearn", "scipy", "matplotlib", "pytorch_lightning", "wandb", "yaml")
SCRIPT = """
import json, sys
before = set(sys.modules)
import eqae
eqae.list_groups(), eqae.list_heads(), eqae.list_models(), eqae.list_datasets(), eqae.__version__
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_importing_the_package_and_listing_names_imports_nothing_heavy() -> None:
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    imported = json.loads(run.stdout)
    assert "eqae.errors" in imported
    assert [name for name in imported if name.split(".")[0] in HEAVY] == []


def test_every_public_name_exists() -> None:
    assert [name for name in eqae.__all__ if getattr(eqae, name, None) is None] == []
    assert set(eqae.__all__) <= set(dir(eqae))


def test_lazy_names_are_the_real_ones() -> None:
    from eqae.extractor import FeatureExtractor, load_extractor

    assert (eqae.FeatureExtractor, eqae.load_extractor) == (FeatureExtractor, load_extractor)


def test_type_checkers_see_every_public_name() -> None:
    module = ast.parse(Path(eqae.__file__).read_text())
    seen = {node.name for node in module.body if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            seen |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            seen.add(node.target.id)
    assert set(eqae.__all__) <= seen
    assert (Path(eqae.__file__).parent / "py.typed").is_file()


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_extracter'"):
        eqae.load_extracter  # type: ignore[attr-defined]  # noqa: B018


def test_the_version_is_the_installed_one() -> None:
    assert eqae.__version__ == version("eqae")


@pytest.mark.parametrize("kind", ["groups", "heads", "models", "datasets", "evaluators", "objectives"])
def test_lists_are_the_registered_names(kind: str) -> None:
    names = getattr(eqae, f"list_{kind}")()
    assert names == getattr(registry, kind.upper()).names()
    assert len(names) > 1


def test_the_errors_a_user_meets_are_at_hand() -> None:
    for name in ("EqaeError", "ConfigError", "DataError", "CheckpointError", "TrainingDiverged"):
        assert getattr(eqae, name) is getattr(errors, name)
