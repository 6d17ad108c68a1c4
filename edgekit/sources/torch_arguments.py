"""How a PyTorch module takes its tensors, and what it says of them: from its forward, its schema or its export."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from edgekit.errors import InputError
from edgekit.signature import Shape
from edgekit.sources.base import LoadRequest
from edgekit.sources.inputs import InputFacts


@dataclass(frozen=True)
class Arguments:
    """How a module takes its tensors: the first ones by position, the rest by keyword."""

    positional: tuple[str, ...]
    keyword: tuple[str, ...]
    required: frozenset[str]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in order."""
        return self.positional + self.keyword


def opened(native: Any, request: LoadRequest) -> tuple[Any, Arguments, InputFacts]:
    """The callable module, how it takes its arguments, and what it says of its inputs."""
    import torch

    if isinstance(native, torch.export.ExportedProgram):
        return _from_program(native, request)
    if isinstance(native, torch.jit.ScriptModule):
        given = native.forward.schema.arguments[1:]  # the first one is the module itself
        required = frozenset(argument.name for argument in given if not argument.has_default_value())
        arguments = Arguments((), tuple(argument.name for argument in given), required)
    else:
        arguments = _from_forward(native, request)
    return native, arguments, InputFacts(arguments.names, arguments.required, {}, {})


def _from_forward(module: Any, request: LoadRequest) -> Arguments:
    parameters = inspect.signature(module.forward).parameters.values()
    positional = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY)
    named = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters) and not named:
        count = len(request.input_names or request.example or request.shapes) or 1
        names = tuple(f"input_{index}" for index in range(count))
        return Arguments(names, (), frozenset(names))
    required = frozenset(p.name for p in named if p.default is p.empty)
    return Arguments(positional, tuple(p.name for p in named[len(positional) :]), required)


def _from_program(program: Any, request: LoadRequest) -> tuple[Any, Arguments, InputFacts]:
    positional, keywords = program.call_spec.in_spec.children()
    if any(not spec.is_leaf() for spec in (*positional.children(), *keywords.children())):
        raise InputError(
            f"load {request.model}",
            "an input is a list, tuple or dictionary of tensors",
            "export with one tensor an input",
        )
    names = tuple(program.graph_signature.user_inputs)
    count = len(positional.children())
    metas = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    shapes: dict[str, Shape] = {}
    for name in names:
        # A symbolic dimension was exported as dynamic; a plain integer is fixed.
        shapes[name] = tuple(size if isinstance(size, int) else None for size in metas[name].shape)
    dtypes = {name: str(metas[name].dtype).removeprefix("torch.") for name in names}
    arguments = Arguments(names[:count], tuple(keywords.context or ()), frozenset(names))
    module = program.module(check_guards=False)
    # Its own check of the inputs cannot be traced; what a session or a converter gives it is checked already.
    module._forward_pre_hooks.clear()
    return module, arguments, InputFacts(names, frozenset(names), shapes, dtypes)
