from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from edgekit.coreml_reference.context import Context
from edgekit.coreml_reference.program import Operation
from edgekit.coreml_reference.registry import kernels
from edgekit.errors import ExecutionError

ROW = np.array([1, 2], np.float32)


def call(name: str, *args: object, **given: object) -> Any:
    return kernels()[name].call(*args, **given)


def context(*blocks: Any) -> Context:
    def run_block(number: int, given: Sequence[Any]) -> tuple[Any, ...]:
        return blocks[number](*given)

    return Context(Operation("while_loop", "loop", {}, ()), run_block, np.random.default_rng(0))


def test_cond_runs_one_block() -> None:
    ran = context(lambda: ("first",), lambda: ("second",))
    assert call("cond", pred=True, context=ran) == ("first",)
    assert call("cond", pred=False, context=ran) == ("second",)


def test_while_loop_keeps_its_variables_where_it_never_runs() -> None:
    loop = context(lambda i, _: (np.array([i < 3]),), lambda i, ls: (i + 1, [*ls, i]))
    assert call("while_loop", (0, []), loop) == (3, [0, 1, 2])
    assert call("while_loop", (3, ["kept"]), loop) == (3, ["kept"])


def test_select_broadcasts_all_three() -> None:
    out = call("select", np.array([[True], [False]]), ROW, np.array(-np.inf, np.float32))
    assert_array_equal(out, [[1, 2], [-np.inf, -np.inf]])
    assert call("select", np.array([True]), np.array([3], np.int32), np.array([4], np.int32)).dtype == np.int32


def test_lists_start_with_zeros_and_grow() -> None:
    first = call("make_list", (np.int32(2),), init_length=2)
    written = call("list_write", first, 4, ROW)
    both = call("list_scatter", written, (2, 1), np.array([[-1, -2], [-4, -5]], np.float32))
    assert call("list_length", both) == 5
    assert_array_equal(call("list_gather", both, (4, 2, 3, 0)), [[1, 2], [-1, -2], [0, 0], [0, 0]])
    # Lists that were written before keep what they hold.
    assert_array_equal(call("list_read", first, 1), [0, 0])
    assert_array_equal(call("list_read", written, 1), [0, 0])
    assert len(first) == 2
    assert call("make_list", (np.int32(3),), dtype="int32")[0].dtype == np.int32
    assert call("make_list", (np.int32(3),), dtype="fp16")[0].dtype == np.float32


def test_lists_of_undeclared_shape_take_it_from_what_is_written() -> None:
    empty = call("make_list", (np.array("is0", object),), init_length=2)
    with pytest.raises(ExecutionError, match="nothing was written"):
        call("list_read", empty, 0)
    assert_array_equal(call("list_gather", call("list_write", empty, 1, ROW), (0, 1)), [[0, 0], [1, 2]])


def test_reading_beyond_the_end_is_an_error() -> None:
    with pytest.raises(ExecutionError, match="element 2"):
        call("list_read", [ROW, ROW], 2)


def test_nothing_scattered_changes_nothing() -> None:
    assert len(call("list_scatter", [ROW], (), np.zeros((0, 2), np.float32))) == 1
