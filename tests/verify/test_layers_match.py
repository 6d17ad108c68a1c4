"""Matching and measuring on made-up tensors, where the right answer is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from edgekit.signature import Array
from edgekit.verify.layers.distance import Distance
from edgekit.verify.layers.layout import arrange, orders, probe
from edgekit.verify.layers.match import Probed, kind, match, probe_artifact, probe_original
from edgekit.verify.layers.report import rows_of
from edgekit.verify.layers.tap import Numbered, Tensor, living, plain_name
from edgekit.verify.tolerance import Tolerance

BOUND = Tolerance(sqnr_db=60)


def noise(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def tensor(name: str, op: str = "op", *reads: str, output: str = "") -> Tensor:
    return Tensor(name, name, op, reads, frozenset({plain_name(name)}), output)


def probed(
    originals: list[tuple[Tensor, Array]], artifacts: list[tuple[Tensor, Array]]
) -> tuple[list[Probed], list[Probed]]:
    mine = [probe_original(one, array) for one, array in originals]
    shapes: dict[int, set[Any]] = {}
    for one in mine:
        shapes.setdefault(one.size, set()).add(one.shape)
    return mine, [probe_artifact(one, array, shapes) for one, array in artifacts]


def pairs(originals: list[tuple[Tensor, Array]], artifacts: list[tuple[Tensor, Array]]) -> list[tuple[str, str, str]]:
    mine, theirs = probed(originals, artifacts)
    return [(mine[p.original].tensor.key, theirs[p.artifact].tensor.key, p.by) for p in match(mine, theirs)]


def compared(originals: list[tuple[Tensor, Array]], artifacts: list[tuple[Tensor, Array]]) -> Any:
    mine, theirs = probed(originals, artifacts)
    measured = []
    for pair in match(mine, theirs):
        distance = Distance()
        want, have = originals[pair.original][1], artifacts[pair.artifact][1]
        distance.add(want.reshape(-1), arrange(have, pair.order))
        measured.append((pair, distance))
    return rows_of(mine, theirs, measured, BOUND)


@pytest.mark.parametrize("size", [7, 40], ids=["all elements", "a part of them"])
def test_an_order_of_axes_is_found_by_values(size: int) -> None:
    # Height, width and channels coincide: shapes say nothing.
    values = noise(0, 1, size, size, size)
    turned = values.transpose(0, 2, 3, 1)
    assert len(orders(values.shape, turned.shape)) == 6
    mine, theirs = probed([(tensor("a"), values)], [(tensor("b"), turned)])
    (pair,) = match(mine, theirs)
    assert pair.order == (2, 0, 1)
    np.testing.assert_array_equal(arrange(turned, pair.order), values.reshape(-1))
    np.testing.assert_array_equal(probe(turned, pair.order), probe(values))


def test_shapes_that_are_no_pair() -> None:
    assert orders((1, 8, 4, 4), (1, 4, 4, 9)) == ()
    assert orders((1, 8, 1, 1), (1, 8)) == ((0,),)
    assert orders((1, 8, 16), (1, 4, 4, 8))[0] == (0, 1, 2)
    assert (2, 0, 1) in orders((1, 8, 16), (1, 4, 4, 8))


def test_a_fused_layer_is_its_last_operation() -> None:
    conv = noise(1, 1, 8, 5, 5)
    norm = conv * noise(2, 1, 8, 1, 1) + noise(3, 1, 8, 1, 1)
    relu = np.maximum(norm, 0)
    originals = [
        (tensor("c", "conv2d"), conv),
        (tensor("n", "batch_norm", "c"), norm),
        (tensor("r", "relu", "n"), relu),
    ]
    assert pairs(originals, [(tensor("f", "CONV_2D"), relu + 1e-6)]) == [("r", "f", "order + shape")]
    rows, alone, missing = compared(originals, [(tensor("f", "CONV_2D"), relu + 1e-6)])
    assert [one.key for one in rows[0].includes] == ["c", "n"]
    assert (alone, missing) == ((), ())


def test_a_wrong_layer_stays_with_its_counterpart() -> None:
    layers = [noise(seed, 1, 64) for seed in range(5)]
    originals = [(tensor(f"o{index}", "linear"), values) for index, values in enumerate(layers)]
    wrong = [values + (0 if index < 2 else 1) * noise(9 + index, 1, 64) for index, values in enumerate(layers)]
    artifacts = [
        (tensor(f"a{index}", "Gemm", *([f"a{index - 1}"] if index else [])), values)
        for index, values in enumerate(wrong)
    ]
    assert [(mine, theirs) for mine, theirs, _ in pairs(originals, artifacts)] == [(f"o{i}", f"a{i}") for i in range(5)]
    rows, _, _ = compared(originals, artifacts)
    assert [row.departs for row in rows] == [False, False, True, True, True]


def test_names_decide_between_like_values() -> None:
    values = noise(0, 1, 64)
    originals = [(tensor("net.a"), values), (tensor("net.b"), values)]
    assert pairs(originals, [(tensor("net/b:0"), values)]) == [("net.b", "net/b:0", "name")]


def test_a_convolution_is_not_taken_for_a_normalization_that_changes_nothing() -> None:
    conv = noise(1, 1, 8, 5, 5)
    originals = [(tensor("c", "conv2d"), conv), (tensor("n", "mul", "c"), conv * np.float32(0.9995))]
    assert pairs(originals, [(tensor("f", "conv"), conv * np.float32(0.9995))])[0][0] == "n"


def test_branches_in_another_order() -> None:
    left, right = noise(1, 1, 32), noise(2, 1, 32)
    originals = [(tensor("l1"), left), (tensor("l2"), left * 3), (tensor("r1"), right), (tensor("r2"), right * 3)]
    found = pairs(originals, [(tensor(f"x{i}"), v) for i, v in enumerate([right, right * 3, left, left * 3])])
    assert {(mine, theirs) for mine, theirs, _ in found} == {("r1", "x0"), ("r2", "x1"), ("l1", "x2"), ("l2", "x3")}
    assert [by for _, _, by in found].count("values") == 2


def test_what_later_layers_refute_is_no_pair_and_what_they_show_is_one() -> None:
    first, inner, last = noise(1, 1, 32), noise(2, 1, 32), noise(3, 1, 32)
    originals = [(tensor("a"), first), (tensor("b", "op", "a"), inner), (tensor("c", "op", "b"), last)]
    own_way = [(tensor("x"), first), (tensor("y", "op", "x"), noise(7, 1, 32)), (tensor("z", "op", "y"), last)]
    rows, alone, missing = compared(originals, own_way)
    assert [row.original.key for row in rows] == ["a", "c"]
    assert [one.key for one in alone] == ["y"]
    assert ([one.key for one in rows[1].includes], missing) == (["b"], ())
    own_way[2] = (own_way[2][0], last + 0.1 * noise(8, 1, 32))
    rows, alone, _ = compared(originals, own_way)
    assert [row.departs for row in rows] == [False, True, True]
    assert alone == ()


def test_an_output_is_only_an_output() -> None:
    values = noise(0, 1, 16)
    originals = [(tensor("a"), values), (tensor("b", output="scores"), values * 2)]
    assert pairs(originals, [(tensor("y", output="scores"), values)]) == [("b", "y", "name")]


def test_distance() -> None:
    want, have = np.array([3, -4, 0, 0], np.float32), np.array([3, -4, 0, 0.5], np.float32)
    distance = Distance()
    distance.add(want, have)
    assert distance.sqnr_db == pytest.approx(20)
    assert distance.relative == pytest.approx(0.5 / 7)
    distance.add(want, want)
    assert distance.sqnr_db == pytest.approx(10 * math.log10(200))
    assert not distance.departs(Tolerance(sqnr_db=23))
    assert distance.departs(Tolerance(max_abs_error_relative=0.07))


@pytest.mark.parametrize(
    ("want", "have", "decibels", "problem"),
    [
        ([1e30, -1e30], [1e30, -0.9e30], 23.01, ""),
        ([1e-30, -1e-30], [1e-30, -0.9e-30], 23.01, ""),
        ([0, 0], [0, 0], math.inf, ""),
        ([0, 0], [0, 1], -math.inf, ""),
        ([np.inf, np.nan, 1], [np.inf, np.nan, 1], math.inf, ""),
        ([1, 1, 1], [np.inf, 1, 1], math.inf, "Inf in 1 of 3 elements"),
        ([1, 1, 1], [np.nan, 1, 1], math.inf, "NaN in 1 of 3 elements"),
        ([np.inf, 1, 1], [1, 1, 1], math.inf, "1 elements are finite where the original's are not"),
        ([1, 1], [1, 1, 1], math.inf, "3 elements instead of 2"),
    ],
)
def test_distance_of_odd_values(want: list[float], have: list[float], decibels: float, problem: str) -> None:
    distance = Distance()
    distance.add(np.array(want, np.float32), np.array(have, np.float32))
    assert distance.sqnr_db == pytest.approx(decibels, abs=0.01)
    assert distance.problem == problem
    assert distance.departs(Tolerance()) == bool(problem)


def test_small_parts() -> None:
    assert plain_name("net/conv/Relu:0") == plain_name("net_conv_Relu_cast_fp16") == "net_conv_relu"
    key_of = Numbered()
    assert [key_of("a"), key_of("b"), key_of("a")] == ["a", "b", "a#2"]
    assert living([(("x", "w"), ("y",)), (("w",), ("v",)), (("y",), ("z",))], ["x"]) == {"x", "y", "z"}
    assert kind("conv2d") == kind("DEPTHWISE_CONV_2D") == kind("Conv") == kind("DepthwiseConv2dNative") == "conv"
    assert kind("addmm") == kind("Gemm") == kind("FULLY_CONNECTED") == kind("linear") == "matmul"
    assert kind("hardtanh") == kind("Clip") == kind("RELU6") == "clip"
