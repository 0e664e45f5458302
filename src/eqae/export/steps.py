"""A traced program as a list of steps in JSON, readable by people and complete enough to compute with.

Every step calls one operation by the name that torch gives it, ``aten.conv2d.default``, with all arguments by name,
those left at their defaults included. An argument is a JSON value, ``{"ref": name}`` for a tensor of the file, the
images or the result of an earlier step, or ``{"dtype": "float32"}``.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx import Node

from eqae.errors import ConfigError

INPUT = "images"


def describe(program: ExportedProgram) -> dict[str, Any]:
    """The steps of ``program``: input, output, and in between what is computed, in order.

    Every step has its ``shape``, or those of several results; ``N`` stands for the number of images.

    Raises:
        ConfigError: an operation or an argument that is none of torch's.
    """
    names = _names(program)
    (images,) = (node for node in program.graph.nodes if node.name == INPUT)
    batch = str(images.meta["val"].shape[0])
    (result,) = program.graph.output_node().args[0]
    steps = [
        {"name": node.name, "operation": _operation(node), "arguments": _arguments(node, names)}
        | ({} if (shape := _shape(node.meta.get("val"), batch)) is None else {"shape": shape})
        for node in _computed(program)
    ]
    return {
        "input": {"name": INPUT, "dtype": "uint8", "shape": _shape(images.meta["val"], batch)},
        "steps": steps,
        "output": {"name": result.name, "dtype": "float32", "shape": _shape(result.meta["val"], batch)},
    }


def weights_of(program: ExportedProgram) -> dict[str, Tensor]:
    """Every tensor that a step of ``program`` uses, by the name it has there."""
    stored = {**program.constants, **program.state_dict}
    used = {name for node, name in _names(program).items() if node.op == "placeholder" and node.users}
    return {name: stored[name].detach().clone().contiguous() for name in sorted(used - {INPUT})}


def follow(program: Mapping[str, Any], tensors: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """Compute what :func:`describe` described.

    Args:
        program: as described.
        tensors: those it refers to.
        images: ``(N, C, H, W)`` uint8.

    Returns:
        Features ``(N, D)``.
    """
    results: dict[str, Any] = {**tensors, program["input"]["name"]: images}
    for step in program["steps"]:
        package, _, name = step["operation"].partition(".")
        space: Any = torch.ops.aten if package == "aten" else operator
        function = reduce(getattr, name.split("."), space)
        arguments = {key: _decoded(value, results) for key, value in step["arguments"].items()}
        results[step["name"]] = function(**arguments) if package == "aten" else function(*arguments.values())
    features: Tensor = results[program["output"]["name"]]
    return features


def _names(program: ExportedProgram) -> dict[Node, str]:
    """What every node of the graph is called: a stored tensor by its place in the model."""
    signature = program.graph_signature
    stored = {
        **signature.inputs_to_parameters, **signature.inputs_to_buffers, **signature.inputs_to_lifted_tensor_constants
    }  # fmt: skip
    return {node: stored.get(node.name, node.name) for node in program.graph.nodes}


def _computed(program: ExportedProgram) -> Iterator[Node]:
    """The nodes that lead to the result; the others are assertions about the input."""
    return (node for node in program.graph.nodes if node.op == "call_function" and node.users)


def _operation(node: Node) -> str:
    if isinstance(node.target, torch._ops.OpOverload):
        return str(node.target)
    name = getattr(node.target, "__name__", str(node.target))
    if getattr(operator, name, None) is not node.target:
        raise _indescribable(f"the operation {name}")
    return f"operator.{name}"


def _arguments(node: Node, names: Mapping[Node, str]) -> dict[str, Any]:
    if not isinstance(node.target, torch._ops.OpOverload):
        return {str(place): _encoded(value, names) for place, value in enumerate(node.args)}
    arguments: dict[str, Any] = {}
    for place, argument in enumerate(node.target._schema.arguments):
        default = argument.default_value if argument.has_default_value() else None
        value = node.args[place] if place < len(node.args) else node.kwargs.get(argument.name, default)
        arguments[argument.name] = _encoded(value, names)
    return arguments


def _encoded(value: Any, names: Mapping[Node, str]) -> Any:
    if isinstance(value, Node):
        return {"ref": names[value]}
    if isinstance(value, list | tuple):
        return [_encoded(item, names) for item in value]
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, torch.device):
        return str(value)
    if isinstance(value, torch.layout | torch.memory_format):
        return None  # how a tensor lies in memory is no part of the computation
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise _indescribable(f"an argument of type {type(value).__name__}")


def _indescribable(what: str) -> ConfigError:
    return ConfigError("--to safetensors", f"the model has {what}", "steps that JSON can describe", "choose --to torch")


def _decoded(value: Any, results: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_decoded(item, results) for item in value]
    if not isinstance(value, dict):
        return value
    return results[value["ref"]] if "ref" in value else getattr(torch, value["dtype"])


def _shape(value: Any, batch: str) -> Any:
    """``["N", 8, 7, 7]``; a list of such for several results; None for a number."""
    if isinstance(value, Tensor):
        return [int(side) if str(side).isdigit() else str(side).replace(batch, "N") for side in value.shape]
    return [_shape(item, batch) for item in value] if isinstance(value, list | tuple) else None
