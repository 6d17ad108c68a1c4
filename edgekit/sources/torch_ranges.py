"""PyTorch models that round their own values to integers: quantization-aware training, and what it leaves behind.

Two forms are read. torchao's ``convert_pt2e`` leaves pairs of ``quantized_decomposed`` operators in an exported graph,
its weights already integers. ``torch.ao.quantization.prepare_qat`` leaves ``FakeQuantize`` modules, which count ranges
until they are told to stop; exporters are given the same pairs in their place::

    conv ─▶ FakeQuantize(scale, zero_point)     conv ─▶ quantize_per_tensor ─▶ dequantize_per_tensor
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from typing import Any

from edgekit.errors import InputError

_FAKE = "torch.ao.quantization.fake_quantize"
_FAKE_PT2E = "torchao.quantization.pt2e.fake_quantize"
# Layers that hold integers for PyTorch's own kernels.
_CONVERTED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized")
# All that files round activations to.
_WHOLE = {(-128, 127), (0, 255)}


def rounds(module: Any) -> bool:
    """Whether a module rounds its activations by ranges of its own.

    Raises:
        InputError: in a way that no file has; says what to do first.
    """
    if _fakes(module, _FAKE_PT2E):
        why = "it is prepared for quantization-aware training, and not converted"
        raise InputError("convert the module", why, "call torchao's convert_pt2e(model) first")
    if any(type(part).__module__.startswith(_CONVERTED) for part in _parts(module)):
        why = "its layers are PyTorch's own integer kernels (torch.ao.quantization.convert)"
        raise InputError("convert the module", why, "give the trained model as it was before that call")
    weights = {id(part.weight_fake_quant) for part in _parts(module) if hasattr(part, "weight_fake_quant")}
    fakes = [fake for fake in _fakes(module, _FAKE) if fake.fake_quant_enabled[0] and id(fake) not in weights]
    limits = {(int(fake.quant_min), int(fake.quant_max)) for fake in fakes}
    activations = (node for node in roundings(module, "quantize_per_tensor") if node.args[0].op != "get_attr")
    limits |= {(node.args[3], node.args[4]) for node in activations}
    for low, high in sorted(limits - _WHOLE):
        why = f"it rounds activations to {low} … {high}, and a file to the whole of 8 bits"
        raise InputError("keep the trained ranges", why, "train with -128 … 127 or 0 … 255 (reduce_range=False)")
    return bool(limits)


def roundings(module: Any, kind: str) -> Iterator[Any]:
    """The nodes of a module's graphs that call an operator of ``quantized_decomposed``."""
    import torch

    for part in _parts(module):
        if isinstance(part, torch.fx.GraphModule):
            for node in part.graph.nodes:
                if node.op == "call_function" and str(node.target).startswith(f"quantized_decomposed.{kind}."):
                    yield node


def scales(module: Any) -> set[float]:
    """Every scale that a module rounds by, of activations and of weights, as float32 holds it."""
    import numpy as np
    import torch

    found: list[float] = []
    for fake in _fakes(module, _FAKE):
        found += fake.scale.reshape(-1).tolist() if fake.fake_quant_enabled[0] else []
    for kind in ("dequantize_per_tensor", "dequantize_per_channel"):
        for node in roundings(module, kind):
            scale = constant(node.graph.owning_module, node.args[1])
            found += torch.as_tensor(scale).reshape(-1).tolist()
    return {float(np.float32(scale)) for scale in found}


def constant(module: Any, value: Any) -> Any:
    """The tensor that a node of a module's graph stands for; anything else as it is."""
    if getattr(value, "op", "") != "get_attr":
        return value
    for name in value.target.split("."):
        module = getattr(module, name)
    return module


def hold(module: Any) -> list[tuple[Any, Any]]:
    """Keep a module's ranges as they are while it is called: (a switch, what it was), to be put back."""
    held = [(fake.observer_enabled, fake.observer_enabled.clone()) for fake in _fakes(module, _FAKE)]
    for switch, _ in held:
        switch.zero_()
    return held


def paired(module: Any) -> Any:
    """A copy of a module with pairs of operators in place of its ``FakeQuantize`` modules; itself where it has none."""
    if not _fakes(module, _FAKE):
        return module
    copied = copy.deepcopy(module)
    _replace(copied)
    return copied


def _replace(module: Any) -> None:
    base = sys.modules[_FAKE].FakeQuantizeBase
    for name, child in list(module.named_children()):
        if isinstance(child, base):
            module.add_module(name, _in_place_of(child))
        elif hasattr(child, "weight_fake_quant") and hasattr(child, "bn"):
            module.add_module(name, _fused(child))
        else:
            _replace(child)


def _fused(layer: Any) -> Any:
    """A layer without its batch normalization, whose factor was in its weights already when they were rounded."""
    import torch

    class Rounded(torch.nn.Module):  # type: ignore[misc] # torch is not followed
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner, self.weight_fake_quant = inner, _in_place_of(layer.weight_fake_quant)

        def forward(self, x: Any) -> Any:
            weight = self.weight_fake_quant(self.inner.weight)
            if isinstance(self.inner, torch.nn.Linear):
                return torch.nn.functional.linear(x, weight, self.inner.bias)
            return self.inner._conv_forward(x, weight, self.inner.bias)

    plain = layer.to_float()  # torch.ao's own fusion, in evaluation mode the same arithmetic
    inner, *rest = plain if isinstance(plain, torch.nn.Sequential) else [plain]
    # A hook of the layer rounds what it gives.
    rounding = getattr(layer, "activation_post_process", None)
    return torch.nn.Sequential(Rounded(inner), *rest, *([_in_place_of(rounding)] if rounding is not None else []))


def _in_place_of(fake: Any) -> Any:
    """A module that rounds as a ``FakeQuantize`` does, by ``quantized_decomposed``'s operators, or not at all."""
    import torch
    import torch.ao.quantization.fx._decomposed  # registers them

    if not fake.fake_quant_enabled[0]:
        return torch.nn.Identity()
    low, high = int(fake.quant_min), int(fake.quant_max)
    dtype = torch.uint8 if low >= 0 else torch.int8
    operators = torch.ops.quantized_decomposed

    class Pair(torch.nn.Module):  # type: ignore[misc] # torch is not followed
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scale", fake.scale.detach().float().clone())
            self.register_buffer("zero_point", fake.zero_point.detach().to(torch.int64).clone())
            self.one = (float(self.scale[0]), int(self.zero_point[0]))
            self.axis = int(fake.ch_axis)

        def forward(self, x: Any) -> Any:
            if not fake.is_per_channel:
                rounded = operators.quantize_per_tensor(x, *self.one, low, high, dtype)
                return operators.dequantize_per_tensor(rounded, *self.one, low, high, dtype)
            given = (self.scale, self.zero_point, self.axis, low, high, dtype)
            return operators.dequantize_per_channel(operators.quantize_per_channel(x, *given), *given)

    return Pair()


def _fakes(module: Any, package: str) -> list[Any]:
    # A module of that kind exists only where its package was imported.
    known = sys.modules.get(package)
    return [part for part in _parts(module) if isinstance(part, known.FakeQuantizeBase)] if known else []


def _parts(module: Any) -> list[Any]:
    return list(module.modules()) if hasattr(module, "modules") else []
