"""Operations on the values of real runs, against coremltools' own numpy implementations of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coreml_packages import converter, save

from edgekit.coreml_reference import open_model
from edgekit.coreml_reference.model import ProgramModel
from edgekit.signature import Array

pytest.importorskip("coremltools")
pytest.importorskip("torch")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SHAPE = (2, 3, 4)
# Operations of one operand, by what they get: any number, a positive one, one within (-1, 1).
FLOATS = [
    "cos",
    "cosh",
    "ceil",
    "erf",
    "exp",
    "exp2",
    "floor",
    "identity",
    "relu",
    "relu6",
    "round",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softplus",
    "softsign",
    "square",
    "tan",
]
POSITIVE = ["abs", "inverse", "log", "rsqrt", "sqrt"]
WITHIN = ["acos", "asin", "atan", "atanh", "tanh"]
PAIRS = [
    "add",
    "sub",
    "mul",
    "real_div",
    "floor_div",
    "mod",
    "maximum",
    "minimum",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "equal",
    "not_equal",
]
REDUCTIONS = ["l1_norm", "l2_norm", "log_sum_exp", "max", "mean", "min", "prod", "sum", "sum_square"]

Build = Callable[[Any, Any], Any]

# Everything else that coremltools computes: by name, from the builder and the values v. Not with ``interleave`` of
# concat, nor another mode of scatter_along_axis than ``update``: its implementations leave them out.
OTHERS: dict[str, Build] = {
    "argsort": lambda mb, v: mb.argsort(x=v.x, axis=1, ascending=True),
    "band_part": lambda mb, v: mb.band_part(x=v.x, lower=1, upper=0),
    "cast": lambda mb, v: mb.cast(x=v.x, dtype="int32"),
    "clamped_relu": lambda mb, v: mb.clamped_relu(x=v.x, alpha=0.3, beta=0.8),
    "clip": lambda mb, v: mb.clip(x=v.x, alpha=-0.4, beta=0.6),
    "concat": lambda mb, v: mb.concat(values=[v.x, v.y], axis=1),
    "cumsum": lambda mb, v: mb.cumsum(x=v.x, axis=1, reverse=True),
    "elu": lambda mb, v: mb.elu(x=v.x, alpha=0.7),
    "einsum": lambda mb, v: mb.einsum(values=[v.square, v.square2], equation="abc,cbd->abd"),
    "expand_dims": lambda mb, v: mb.expand_dims(x=v.x, axes=[0, 4]),
    "fill": lambda mb, v: mb.fill(shape=v.sizes, value=1.5),
    "fill_like": lambda mb, v: mb.fill_like(ref_tensor=v.x, value=2.5),
    "flatten2d": lambda mb, v: mb.flatten2d(x=v.x, axis=-1),
    "gather": lambda mb, v: mb.gather(x=v.x, indices=v.places, axis=1, batch_dims=0),
    "gather_batched": lambda mb, v: mb.gather(x=v.x, indices=v.table, axis=1, batch_dims=1),
    "gather_along_axis": lambda mb, v: mb.gather_along_axis(x=v.x, indices=v.i, axis=1),
    "gelu": lambda mb, v: mb.gelu(x=v.x, mode="EXACT"),
    "gelu_tanh": lambda mb, v: mb.gelu(x=v.x, mode="TANH_APPROXIMATION"),
    "gelu_sigmoid": lambda mb, v: mb.gelu(x=v.x, mode="SIGMOID_APPROXIMATION"),
    "l2_norm": lambda mb, v: mb.l2_norm(x=v.x, epsilon=1e-3),
    "layer_norm": lambda mb, v: mb.layer_norm(x=v.x, axes=[2], gamma=np.float32([1, 2, 3, 4]), epsilon=1e-3),
    "leaky_relu": lambda mb, v: mb.leaky_relu(x=v.x, alpha=0.2),
    "linear": lambda mb, v: mb.linear(x=v.x, weight=np.arange(8, dtype=np.float32).reshape(2, 4)),
    "linear_activation": lambda mb, v: mb.linear_activation(x=v.x, alpha=2.0, beta=-1.0),
    "log_sum": lambda mb, v: mb.reduce_log_sum(x=v.positive, axes=[1], keep_dims=False),
    "logical_and": lambda mb, v: mb.logical_and(x=v.b, y=v.b2),
    "logical_or": lambda mb, v: mb.logical_or(x=v.b, y=v.b2),
    "logical_xor": lambda mb, v: mb.logical_xor(x=v.b, y=v.b2),
    "logical_not": lambda mb, v: mb.logical_not(x=v.b),
    "matmul": lambda mb, v: mb.matmul(x=v.x, y=v.y, transpose_y=True),
    "matmul_transposed": lambda mb, v: mb.matmul(x=v.x, y=v.y, transpose_x=True),
    "non_zero": lambda mb, v: mb.non_zero(x=v.i),
    "pad": lambda mb, v: mb.pad(x=v.x, pad=[1, 0, 0, 2], mode="constant", constant_val=0.5),
    "pad_reflect": lambda mb, v: mb.pad(x=v.x, pad=[1, 1, 2, 1], mode="reflect"),
    "pad_replicate": lambda mb, v: mb.pad(x=v.x, pad=[1, 1, 2, 1], mode="replicate"),
    "pow": lambda mb, v: mb.pow(x=v.positive, y=v.y),
    "prelu": lambda mb, v: mb.prelu(x=v.image, alpha=np.float32([0.1, 0.2, 0.3])),
    "quantize": lambda mb, v: mb.quantize(
        input=v.x, scale=np.float32([0.01, 0.1, 0.5]), zero_point=np.int8([1, -2, 3]), axis=1, output_dtype="int8"
    ),
    "dequantize": lambda mb, v: mb.dequantize(
        input=v.quantized, scale=np.float32([0.1, 0.2, 0.5]), zero_point=np.uint8([1, 2, 3]), axis=1
    ),
    "range_1d": lambda mb, v: mb.range_1d(start=v.start, end=9.5, step=1.5),
    "reduce_argmax": lambda mb, v: mb.reduce_argmax(x=v.x, axis=1, keep_dims=False),
    "reduce_argmin": lambda mb, v: mb.reduce_argmin(x=v.x, axis=-1, keep_dims=True),
    "reshape": lambda mb, v: mb.reshape(x=v.x, shape=[0, -1]),
    "reverse": lambda mb, v: mb.reverse(x=v.x, axes=[0, 2]),
    "reverse_sequence": lambda mb, v: mb.reverse_sequence(x=v.x, lengths=v.lengths, seq_axis=2, batch_axis=0),
    "scaled_tanh": lambda mb, v: mb.scaled_tanh(x=v.x, alpha=0.7, beta=1.3),
    "scaled_dot_product_attention": lambda mb, v: mb.scaled_dot_product_attention(
        query=v.x, key=v.y, value=v.within, attn_mask=np.array([[True, True, False]])
    ),
    "scaled_dot_product_attention_added": lambda mb, v: mb.scaled_dot_product_attention(
        query=v.x, key=v.y, value=v.within, attn_mask=np.float32([0.5, -1.0, -np.inf])
    ),
    "scatter_along_axis": lambda mb, v: mb.scatter_along_axis(
        data=v.x, indices=v.order, updates=v.y, axis=2, mode="update", validate_indices=False
    ),
    "select": lambda mb, v: mb.select(cond=v.b, a=v.x, b=v.y),
    "shape": lambda mb, v: mb.shape(x=v.x),
    "sigmoid_hard": lambda mb, v: mb.sigmoid_hard(x=v.x, alpha=0.4, beta=0.3),
    "slice_by_index": lambda mb, v: mb.slice_by_index(
        x=v.x,
        begin=[1, 0, -1],
        end=[0, 3, 0],
        stride=[1, 2, -2],
        begin_mask=[False, True, False],
        end_mask=[False, False, True],
        squeeze_mask=[True, False, False],
    ),
    "slice_by_size": lambda mb, v: mb.slice_by_size(x=v.x, begin=[0, 1, 1], size=[2, -1, 2]),
    "slice_update": lambda mb, v: mb.slice_update(x=v.x, update=v.part, begin=[0, 1, 1], end=[2, 3, 3]),
    "softmax": lambda mb, v: mb.softmax(x=v.x, axis=1),
    "softplus_parametric": lambda mb, v: mb.softplus_parametric(
        x=v.image, alpha=np.float32([1, 2, 3]), beta=np.float32([3, 2, 1])
    ),
    "split": lambda mb, v: mb.split(x=v.x, split_sizes=[1, 2], axis=1),
    "squeeze": lambda mb, v: mb.squeeze(x=v.single, axes=[0]),
    "stack": lambda mb, v: mb.stack(values=[v.x, v.y], axis=1),
    "threshold": lambda mb, v: mb.threshold(x=v.x, alpha=0.25),
    "thresholded_relu": lambda mb, v: mb.thresholded_relu(x=v.x, alpha=0.25),
    "tile": lambda mb, v: mb.tile(x=v.x, reps=[2, 1, 3]),
    "topk": lambda mb, v: mb.topk(x=v.x, k=2, axis=1, ascending=True),
    "transpose": lambda mb, v: mb.transpose(x=v.x, perm=[2, 0, 1]),
    "constexpr_blockwise_shift_scale": lambda mb, v: mb.constexpr_blockwise_shift_scale(
        data=np.arange(24, dtype=np.int8).reshape(2, 3, 4),
        scale=np.float32([[[0.5, 1.5]]]),
        offset=np.int8([[[3, -4]]]),
    ),
    "constexpr_lut_to_dense": lambda mb, v: mb.constexpr_lut_to_dense(
        indices=(np.arange(1024) * 7 % 256).astype(np.uint8).reshape(4, 256),
        lut=np.arange(2 * 256 * 2, dtype=np.float32).reshape(2, 1, 256, 2),
        vector_axis=1,
    ),
}


class Values:
    """A program's values by name."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def inputs() -> dict[str, Array]:
    """Values of every kind that operations take; signs, halves and ties among them."""
    random = np.random.default_rng(7)
    x = random.normal(size=SHAPE).astype(np.float32)
    x[0, 0] = [0.5, 1.5, -0.5, 2.0]
    y = random.normal(size=SHAPE).astype(np.float32)
    y[0] = x[0]
    return {
        "x": x,
        "y": y,
        "positive": np.abs(x) + np.float32(0.1),
        "within": np.tanh(y),
        "square": random.normal(size=(2, 3, 4)).astype(np.float32),
        "square2": random.normal(size=(4, 3, 5)).astype(np.float32),
        "part": random.normal(size=(2, 2, 2)).astype(np.float32),
        "image": random.normal(size=(2, 3, 2, 2)).astype(np.float32),
        "single": random.normal(size=(1, 3)).astype(np.float32),
        "start": np.array([0.5], np.float32),
        "i": random.integers(0, 3, SHAPE).astype(np.int32),
        "order": np.array([[[3, 1, 0, 2]] * 3] * 2, np.int32),
        "places": np.array([2, 0, 1, 1], np.int32),
        "table": np.array([[2, 0], [1, 1]], np.int32),
        "lengths": np.array([2, 3], np.int32),
        "sizes": np.array([2, 3], np.int32),
    }


def builds() -> dict[str, Build]:
    """Every operation by a name of its own."""
    table = dict(OTHERS)
    for names, value in ((FLOATS, "x"), (POSITIVE, "positive"), (WITHIN, "within")):
        for name in names:
            table[name] = lambda mb, v, name=name, value=value: getattr(mb, name)(x=getattr(v, value))
    for name in PAIRS:
        table[name] = lambda mb, v, name=name: getattr(mb, name)(x=v.x, y=v.y)
        if name != "real_div":
            table[f"{name}_int"] = lambda mb, v, name=name: getattr(mb, name)(x=v.i, y=np.int32(2))
    for name in REDUCTIONS:
        table[f"reduce_{name}"] = lambda mb, v, name=name: getattr(mb, f"reduce_{name}")(
            x=v.x, axes=[0, 2], keep_dims=True
        )
    return table


def build(ct: Any, table: Mapping[str, Build], path: Path) -> Path:
    """A package of one program with every operation, none of them changed by coremltools' passes."""
    from coremltools.converters.mil import Builder as mb
    from coremltools.converters.mil import mil

    kinds = {np.dtype(np.float32): mil.types.fp32, np.dtype(np.int32): mil.types.int32}
    given = {name: mb.placeholder(one.shape, kinds[one.dtype]) for name, one in inputs().items()}
    with mil.Function(given, opset_version=ct.target.iOS18) as function:
        v = Values(**function.inputs)
        v.b, v.b2 = mb.greater(x=v.x, y=v.y), mb.greater(x=v.y, y=v.within)
        v.quantized = mb.quantize(input=v.x, scale=np.float32(0.05), zero_point=np.uint8(99), output_dtype="uint8")
        v.start = mb.squeeze(x=v.start)
        for one in table.values():
            one(mb, v)
        function.set_outputs([mb.identity(x=v.x, name="output")])
    program = mil.Program()
    program.add_function("main", function)
    model = ct.convert(
        program,
        convert_to="mlprogram",
        pass_pipeline=ct.PassPipeline.EMPTY,
        minimum_deployment_target=ct.target.iOS18,
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
    )
    model.save(str(path))
    return path


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from coreml_conformance.value_inference import replay as function

    return function


def opened(path: Path) -> ProgramModel:
    model = open_model(path)
    assert isinstance(model, ProgramModel)
    return model


def test_every_operation_that_coremltools_computes_agrees(tmp_path: Path, replay: Any) -> None:
    tallies = replay(opened(build(converter(), builds(), tmp_path / "all.mlpackage")), inputs())
    assert {name: one.differences for name, one in tallies.items() if one.differences} == {}
    assert {name: one.broken for name, one in tallies.items() if one.broken} == {}
    compared = {name for name, one in tallies.items() if one.compared}
    # The rest of those that coremltools implements: constants, control flow, and one that it leaves to be done.
    assert implemented() - compared == {"_const_symbolic", "const", "cond", "list_length", "reverse_sequence"}
    # coremltools computes compressed weights in another way.
    assert compared - implemented() == {
        "constexpr_blockwise_shift_scale",
        "constexpr_lut_to_dense",
        "dequantize",
    }
    assert len(compared) == 111


def implemented() -> set[str]:
    """The operations that coremltools has a ``value_inference`` of its own for."""
    converter()
    from coremltools.converters.mil.mil import Operation
    from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

    return {
        name
        for name, versions in SSAOpRegistry.core_ops.items()
        if any(one.value_inference is not Operation.value_inference for one in versions.values())
    }


@pytest.mark.parametrize("half", [False, True])
def test_a_converted_model_agrees(tmp_path: Path, replay: Any, half: bool) -> None:
    import torch

    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = torch.nn.Linear(8, 24)
            self.norm = torch.nn.LayerNorm(8)
            self.out = torch.nn.Linear(8, 5)

        def forward(self, x: Any) -> Any:
            q, k, v = self.embed(self.norm(x)).chunk(3, dim=-1)
            weights = torch.softmax(q @ k.transpose(-1, -2) / 8**0.5, dim=-1)
            x = torch.cat([x + weights @ v, torch.sigmoid(x) * x.clamp(-1, 1)], dim=1)
            return self.out(torch.nn.functional.gelu(x)).mean(dim=1)

    torch.manual_seed(0)
    x = torch.randn(2, 6, 8)
    model = opened(save(Block(), x, tmp_path / "model.mlpackage", half=half))
    tallies = replay(model, {"x": x.numpy()})
    assert {name: one.differences + one.broken for name, one in tallies.items() if one.differences or one.broken} == {}
    compared = {name for name, one in tallies.items() if one.compared}
    wanted = {"layer_norm", "linear", "split", "matmul", "softmax", "add", "sigmoid", "mul", "clip", "concat", "gelu"}
    assert compared - {"cast", "transpose"} == wanted | {"reduce_mean"}


def test_a_wrong_result_is_found(tmp_path: Path, replay: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"softmax": OTHERS["softmax"], "topk": OTHERS["topk"]}
    model = opened(build(converter(), table, tmp_path / "two.mlpackage"))
    from edgekit.coreml_reference import evaluator

    settle = evaluator.settle

    def wrong(value: Any, declared: Any, precision: Any) -> Any:
        return settle(value, declared, precision) + (1 if declared.dtype == "fp32" else 0)

    monkeypatch.setattr(evaluator, "settle", wrong)
    tallies = replay(model, inputs())
    assert tallies["softmax"].differences
    assert tallies["topk"].differences
