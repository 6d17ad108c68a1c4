from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from edgekit.coreml_reference.registry import kernels
from edgekit.errors import UnsupportedError

STEPS, BATCH, INPUTS, HIDDEN = 5, 3, 4, 2


def call(name: str, **given: object) -> tuple[np.ndarray, ...]:
    return kernels()[name].call(**given)


def values(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def weights(gates: int, inputs: int = INPUTS) -> dict[str, np.ndarray]:
    size = gates * HIDDEN
    return {"weight_ih": values(1, size, inputs), "weight_hh": values(2, size, HIDDEN), "bias": values(3, size)}


def reordered(value: np.ndarray, order: str, wanted: str) -> torch.Tensor:
    """Gates of a weight in another order, by their letters."""
    parts = dict(zip(order, np.split(value, len(order)), strict=True))
    return torch.from_numpy(np.concatenate([parts[letter] for letter in wanted]))


X, H, C = values(4, STEPS, BATCH, INPUTS), values(5, BATCH, HIDDEN), values(6, BATCH, HIDDEN)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("direction", ["forward", "reverse"])
def test_rnn_agrees_with_torch(direction: str) -> None:
    given = weights(1)
    theirs = torch.nn.RNN(INPUTS, HIDDEN)
    theirs.load_state_dict(
        {
            "weight_ih_l0": torch.from_numpy(given["weight_ih"]),
            "weight_hh_l0": torch.from_numpy(given["weight_hh"]),
            "bias_ih_l0": torch.from_numpy(given["bias"]),
            "bias_hh_l0": torch.zeros(HIDDEN),
        }
    )
    # A reverse layer gives its outputs in the order in which it computes them.
    seen = X[::-1].copy() if direction == "reverse" else X
    with torch.no_grad():
        steps, last = theirs(torch.from_numpy(seen), torch.from_numpy(H[None]))
    ours = call("rnn", x=X, initial_h=H, **given, direction=direction, output_sequence=True)
    assert_allclose(ours[0], steps.numpy(), atol=1e-6)
    assert_allclose(ours[1], last[0].numpy(), atol=1e-6)
    assert_array_equal(call("rnn", x=X, initial_h=H, **given, direction=direction)[0], ours[0][-1:])


@pytest.mark.parametrize("activation", ["relu", "linear", "hard_sigmoid", "sigmoid_hard", "scaled_tanh"])
def test_rnn_activations(activation: str) -> None:
    function = {
        "relu": lambda x: np.maximum(x, 0),
        "linear": lambda x: x,
        "scaled_tanh": np.tanh,
    }.get(activation, lambda x: np.clip(0.2 * x + 0.5, 0, 1))
    given = weights(1)
    hidden = H
    for x in X:
        hidden = function(x @ given["weight_ih"].T + hidden @ given["weight_hh"].T + given["bias"])
    assert_allclose(call("rnn", x=X, initial_h=H, **given, activation=activation)[1], hidden, atol=1e-5)


def test_gru_resets_the_state_before_its_product() -> None:
    given = weights(3)
    extra = values(7, 3 * HIDDEN)
    (ir, io, iz), (hr, ho, hz) = (np.split(given[name], 3) for name in ("weight_ih", "weight_hh"))
    br, bo, bz = np.split(given["bias"] + extra, 3)
    hidden, expected = H, []
    for x in X[::-1]:
        reset = np.tanh(x @ ir.T + hidden @ hr.T + br)
        update = np.tanh(x @ iz.T + hidden @ hz.T + bz)
        new = sigmoid(x @ io.T + (reset * hidden) @ ho.T + bo)
        hidden = (1 - update) * new + update * hidden
        expected.append(hidden)
    steps, last = call(
        "gru",
        x=X,
        initial_h=H,
        **given,
        input_bias=extra,
        direction="reverse",
        output_sequence=True,
        recurrent_activation="tanh",
        activation="sigmoid",
    )
    assert_allclose(steps, expected, atol=1e-5)
    assert_array_equal(last, steps[-1])


@pytest.mark.parametrize("bias", [False, True])
def test_gru_with_reset_after_is_torchs(bias: bool) -> None:
    given = weights(3)
    extra = values(7, 3 * HIDDEN)
    theirs = torch.nn.GRU(INPUTS, HIDDEN, bias=bias)
    state = {f"{key}_l0": reordered(given[key], "roz", "rzo") for key in ("weight_ih", "weight_hh")}
    if bias:
        state |= {"bias_ih_l0": reordered(extra, "roz", "rzo"), "bias_hh_l0": reordered(given["bias"], "roz", "rzo")}
        given["input_bias"] = extra
    else:
        del given["bias"]
    theirs.load_state_dict(state)
    with torch.no_grad():
        steps, last = theirs(torch.from_numpy(X), torch.from_numpy(H[None]))
    ours = call("gru", x=X, initial_h=H, **given, output_sequence=True, reset_after=True)
    assert_allclose(ours[0], steps.numpy(), atol=1e-6)
    assert_allclose(ours[1], last[0].numpy(), atol=1e-6)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("sequence", [False, True])
def test_lstm_of_both_directions_agrees_with_torch(bias: bool, sequence: bool) -> None:
    ahead = weights(4)
    back = {name: -value for name, value in ahead.items()}
    if not bias:
        del ahead["bias"], back["bias"]
    theirs = torch.nn.LSTM(INPUTS, HIDDEN, bidirectional=True, bias=bias)
    state = {}
    for suffix, given in (("", ahead), ("_reverse", back)):
        state |= {f"{key}_l0{suffix}": reordered(given[key], "ifog", "ifgo") for key in ("weight_ih", "weight_hh")}
        if bias:
            state[f"bias_ih_l0{suffix}"] = reordered(given["bias"], "ifog", "ifgo")
            state[f"bias_hh_l0{suffix}"] = torch.zeros(4 * HIDDEN)
    theirs.load_state_dict(state)
    h, c = np.concatenate((H, C), 1), np.concatenate((C, H), 1)
    with torch.no_grad():
        start = (torch.from_numpy(np.stack((H, C))), torch.from_numpy(np.stack((C, H))))
        steps, (last_h, last_c) = theirs(torch.from_numpy(X), start)
    expected = steps.numpy()
    if not sequence:
        expected = np.concatenate((expected[-1:, :, :HIDDEN], expected[:1, :, HIDDEN:]), -1)
    given = {**ahead, **{f"{name}_back": value for name, value in back.items()}}
    ours = call("lstm", x=X, initial_h=h, initial_c=c, **given, direction="bidirectional", output_sequence=sequence)
    assert_allclose(ours[0], expected, atol=1e-6)
    assert_allclose(ours[1], np.concatenate(list(last_h.numpy()), -1), atol=1e-6)
    assert_allclose(ours[2], np.concatenate(list(last_c.numpy()), -1), atol=1e-6)


@pytest.mark.parametrize("clip", [None, 0.1])
def test_lstm_with_peepholes_clips_its_cell_state(clip: float | None) -> None:
    given = weights(4)
    peephole = values(8, 3 * HIDDEN)
    pi, pf, po = np.split(peephole, 3)
    hidden, memory, expected = H, C, []
    for x in X:
        gates = x @ given["weight_ih"].T + hidden @ given["weight_hh"].T + given["bias"]
        into, forget, out, new = np.split(gates, 4, -1)
        memory = sigmoid(forget + memory * pf) * memory + sigmoid(into + memory * pi) * np.tanh(new)
        memory = memory if clip is None else memory.clip(-clip, clip)
        hidden = sigmoid(out + memory * po) * np.maximum(memory, 0)
        expected.append(hidden)
    steps, last_h, last_c = call(
        "lstm",
        x=X,
        initial_h=H,
        initial_c=C,
        **given,
        peephole=peephole,
        output_sequence=True,
        activation="relu",
        clip=clip,
    )
    assert_allclose(steps, expected, atol=1e-5)
    assert_array_equal(last_h, steps[-1])
    assert_allclose(last_c, memory, atol=1e-5)


def test_torchs_loop_and_the_own_one_agree() -> None:
    given = {"x": X, "initial_h": H, "initial_c": C, **weights(4), "direction": "reverse", "output_sequence": True}
    fast, slow = call("lstm", **given), call("lstm", **given, clip=1e9)
    for one, other in zip(fast, slow, strict=True):
        assert_allclose(one, other, atol=1e-6)


def test_states_beyond_the_batch_are_left_alone() -> None:
    # coremltools converts packed sequences with one row of states a step.
    more_h, more_c = (np.concatenate((one, values(9, 2, HIDDEN))) for one in (H, C))
    wanted = call("lstm", x=X, initial_h=H, initial_c=C, **weights(4))
    given = call("lstm", x=X, initial_h=more_h, initial_c=more_c, **weights(4))
    for one, other in zip(given, wanted, strict=True):
        assert_array_equal(one, other)


def test_impossible_layers_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="softplus"):
        call("rnn", x=X, initial_h=H, **weights(1), activation="softplus")
    with pytest.raises(UnsupportedError, match="second direction"):
        call("lstm", x=X, initial_h=H, initial_c=C, **weights(4), direction="bidirectional")
