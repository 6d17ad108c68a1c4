"""Inside a PyTorch model: every node of its exported graph, or, where it cannot be exported, every module."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from edgekit.errors import UnsupportedError
from edgekit.signature import Array
from edgekit.sources.torch import flatten_outputs
from edgekit.verify.layers.tap import Numbered, Seen, Tap, Tensor, comparable, plain_name

if TYPE_CHECKING:
    from edgekit.sources.torch import TorchSource


class TorchTap(Tap):
    """A graph of ``torch.export``, run node by node."""

    def __init__(self, source: TorchSource, program: Any) -> None:
        import torch

        self.runtime = f"torch {torch.__version__}"
        self._source = source
        self._module = program.module(check_guards=False)
        self._module._forward_pre_hooks.clear()
        graph = self._module.graph
        results = next(node for node in graph.nodes if node.op == "output").all_input_nodes
        names = source.signature.output_names
        output_of = {node.name: name for node, name in zip(results, names, strict=False)}
        if len(results) != len(names):
            output_of = {}
        self._tensors = _tensors(graph, output_of)

    def run(self, inputs: Mapping[str, Array], seen: Seen, wanted: Collection[str] | None = None) -> None:
        """One call; each tensor is shown as it arises."""
        import torch

        tensors = self._tensors

        class Shown(torch.fx.Interpreter):  # type: ignore[misc] # torch is not followed
            def run_node(self, node: Any) -> Any:
                value = super().run_node(node)
                tensor = tensors.get(node.name)
                if tensor is not None and (wanted is None or tensor.key in wanted):
                    _show(tensor, value, seen)
                return value

        with torch.no_grad():
            Shown(self._module).run(*self._source.example(inputs))


class ModuleTap(Tap):
    """A module with hooks: coarser, for what ``torch.export`` refuses."""

    def __init__(self, source: TorchSource) -> None:
        import torch

        self.runtime = f"torch {torch.__version__}"
        self._source = source

    def run(self, inputs: Mapping[str, Array], seen: Seen, wanted: Collection[str] | None = None) -> None:
        """One call; what a module gives is shown when it returns."""
        key_of = Numbered()

        def hook(path: str, module: Any, value: Any) -> None:
            for part, one in flatten_outputs(value) if not isinstance(value, dict) else ():
                key = key_of(path if part == "output_0" else f"{path}.{part}")
                if wanted is None or key in wanted:
                    names = frozenset({plain_name(path)})
                    _show(Tensor(key, path, type(module).__name__, (), names), one, seen)

        handles = [
            module.register_forward_hook(lambda module, _, value, path=path: hook(path, module, value))
            for path, module in self._source.module.named_modules()
            if path
        ]
        try:
            answers = self._source.predict(inputs)
        finally:
            for handle in handles:
                handle.remove()
        for name, value in answers.items():
            array = comparable(value)
            if array is not None and (wanted is None or f"output {name}" in wanted):
                seen(Tensor(f"output {name}", name, "output", (), frozenset(), name), array)


def open_torch(source: TorchSource, example: Mapping[str, Array]) -> Tap:
    """The finest look into a model that there is.

    Raises:
        UnsupportedError: TorchScript that cannot be rebuilt as a graph.
    """
    import torch

    native = source.native
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the exporter deprecates
            program = torch.export.export(source.interface(exportable=True), source.example(example))
        return TorchTap(source, program)
    except Exception as error:
        if isinstance(native, torch.nn.Module) and not isinstance(native, torch.jit.ScriptModule):
            return ModuleTap(source)
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        why = f"torch cannot rebuild it as a graph ({line})"
        raise UnsupportedError("compare the layers of this model", why, "give the module it was made from") from error


def _show(tensor: Tensor, value: Any, seen: Seen) -> None:
    import torch

    if not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.is_sparse:
        return
    plain = value.detach().cpu()
    array = comparable((plain.float() if plain.dtype == torch.bfloat16 else plain).resolve_neg().contiguous().numpy())
    if array is not None:
        seen(tensor, array)


def _tensors(graph: Any, output_of: Mapping[str, str]) -> dict[str, Tensor]:
    """The nodes that compute something of the inputs."""
    alive = {node.name for node in graph.nodes if node.op == "placeholder"}
    tensors = {}
    for node in graph.nodes:
        reads = tuple(one.name for one in node.all_input_nodes if one.name in alive)
        if node.op != "call_function" or not reads:
            continue
        alive.add(node.name)
        stack = list(node.meta.get("nn_module_stack", {}).values())
        path = str(stack[-1][0]).removeprefix("model").lstrip(".") if stack else ""
        # An operator overload spells itself ``aten.relu.default``; Python's own functions have only their name.
        overload = str(node.target).removeprefix("aten.").partition(".")[0]
        op = getattr(node.target, "__name__", overload) if " " in overload else overload
        names = frozenset(map(plain_name, filter(None, (node.name, path))))
        tensors[node.name] = Tensor(node.name, path or node.name, op, reads, names, output_of.get(node.name, ""))
    return tensors
