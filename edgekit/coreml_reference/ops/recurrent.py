"""Recurrent layers, on x [steps, batch, inputs].

The inputs' part of every step's gates is one product before the loop; the loop does the rest. A reverse layer gives
its outputs in the order in which it computes them, the last step of x first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgekit.coreml_reference.lazy import array, functional, tensor, torch
from edgekit.coreml_reference.registry import op
from edgekit.errors import ExecutionError, UnsupportedError
from edgekit.signature import Array

if TYPE_CHECKING:
    from torch import Tensor

    Activation = Callable[[Tensor], Tensor]


def _activation(name: str) -> Activation:
    """The function of that name, with the defaults that leave ``scaled_tanh`` a plain tanh and ``linear`` as it is."""
    known: dict[str, Activation] = {
        "tanh": torch.tanh,
        "scaled_tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "relu": torch.relu,
        "linear": lambda x: x,
        "hard_sigmoid": lambda x: (0.2 * x + 0.5).clamp(0, 1),
        "sigmoid_hard": lambda x: (0.2 * x + 0.5).clamp(0, 1),
    }
    if name.lower() not in known:
        raise UnsupportedError(
            "execute a recurrent layer", f"activation {name!r} is unknown", f"use one of {sorted(known)}"
        )
    return known[name.lower()]


def _maybe(value: Array | None) -> Tensor | None:
    return None if value is None else tensor(value)


@op("rnn", spec="iOS17 recurrent")
def rnn(
    x: Array,
    initial_h: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array | None = None,
    direction: str = "forward",
    output_sequence: bool = False,  # noqa: FBT001, FBT002 - bound by name
    activation: str = "tanh",
) -> tuple[Array, Array]:
    """Simple layer: ``h = activation(W_ih x + W_hh h + bias)``; outputs and last state [batch, hidden]."""
    given = tensor(x).flip(0) if direction == "reverse" else tensor(x)
    act, recurrent, hidden = _activation(activation), tensor(weight_hh).t(), tensor(initial_h)
    outputs = []
    for step in functional.linear(given, tensor(weight_ih), _maybe(bias)).unbind(0):
        hidden = act(torch.addmm(step, hidden, recurrent))
        outputs.append(hidden)
    return array(_outputs(outputs, sequence=output_sequence)), array(hidden)


@op("gru", spec="iOS18 recurrent")
def gru(
    x: Array,
    initial_h: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array | None = None,
    direction: str = "forward",
    output_sequence: bool = False,  # noqa: FBT001, FBT002 - bound by name
    recurrent_activation: str = "sigmoid",
    activation: str = "tanh",
    reset_after: bool = False,  # noqa: FBT001, FBT002 - bound by name
    input_bias: Array | None = None,
) -> tuple[Array, Array]:
    """Gated recurrent unit, gates in the order reset, output, update; outputs and last state [batch, hidden].

    The reset gate multiplies the state before its product with the weights; with ``reset_after`` the product, bias
    included, as PyTorch has it. ``bias`` belongs to the state's side then, ``input_bias`` to the inputs'.
    """
    given = tensor(x).flip(0) if direction == "reverse" else tensor(x)
    gate, act = _activation(recurrent_activation), _activation(activation)
    size = initial_h.shape[-1]
    reset_weight, out_weight, update_weight = tensor(weight_hh).split(size)
    both_weights = torch.cat((reset_weight, update_weight)).t()
    projected = functional.linear(given, tensor(weight_ih), _maybe(input_bias))
    own = tensor(weight_ih).new_zeros(size)
    if bias is not None:
        offsets = tensor(bias)
        if reset_after:
            own = offsets[size : 2 * size]
            offsets = torch.cat((offsets[:size], torch.zeros_like(own), offsets[2 * size :]))
        projected = projected + offsets
    reset_in, out_in, update_in = projected.split(size, -1)
    both_in = torch.cat((reset_in, update_in), -1)
    out_weight, hidden, outputs = out_weight.t(), tensor(initial_h), []
    for gates_in, new_in in zip(both_in.unbind(0), out_in.unbind(0), strict=True):
        reset, update = gate(torch.addmm(gates_in, hidden, both_weights)).split(size, -1)
        if reset_after:
            new = act(new_in + reset * torch.addmm(own, hidden, out_weight))
        else:
            new = act(torch.addmm(new_in, reset * hidden, out_weight))
        hidden = torch.lerp(new, hidden, update)
        outputs.append(hidden)
    return array(_outputs(outputs, sequence=output_sequence)), array(hidden)


@dataclass(frozen=True)
class _Cell:
    """What an LSTM does at every step, apart from its weights."""

    gate: Activation
    cell: Activation
    out: Activation
    clip: float | None
    # Sigmoid and tanh where they usually are, and no clipping: what torch's own loop does.
    plain: bool


@dataclass(frozen=True)
class _Weights:
    """An LSTM's weights of one direction, gates in the order input, forget, output, cell."""

    inputs: Tensor
    hidden: Tensor
    bias: Tensor | None
    peephole: Tensor | None


@op("lstm", spec="iOS17 recurrent")
def lstm(
    x: Array,
    initial_h: Array,
    initial_c: Array,
    weight_ih: Array,
    weight_hh: Array,
    bias: Array | None = None,
    peephole: Array | None = None,
    weight_ih_back: Array | None = None,
    weight_hh_back: Array | None = None,
    bias_back: Array | None = None,
    peephole_back: Array | None = None,
    direction: str = "forward",
    output_sequence: bool = False,  # noqa: FBT001, FBT002 - bound by name
    recurrent_activation: str = "sigmoid",
    cell_activation: str = "tanh",
    activation: str = "tanh",
    clip: float | None = None,
) -> tuple[Array, Array, Array]:
    """Long short-term memory; outputs, last state and last cell state [batch, directions * hidden].

    Both directions' outputs of a step stand side by side. Without ``output_sequence`` there is one step: each
    direction's last.
    """
    names = tuple(name.lower() for name in (recurrent_activation, cell_activation, activation))
    plain = names in {("sigmoid", "tanh", "tanh"), ("sigmoid", "tanh", "scaled_tanh")} and clip is None
    gate, new, out = map(_activation, names)
    cell = _Cell(gate, new, out, clip, plain)
    # coremltools converts packed sequences with one row of states a step. Apple's tests expect the first batch of them.
    batch = x.shape[-2]
    given, hidden, memory = tensor(x), tensor(initial_h)[:batch], tensor(initial_c)[:batch]
    ahead = _Weights(tensor(weight_ih), tensor(weight_hh), _maybe(bias), _maybe(peephole))
    if direction != "bidirectional":
        given = given.flip(0) if direction == "reverse" else given
        steps, hidden, memory = _lstm(given, hidden, memory, ahead, cell)
        return array(steps if output_sequence else steps[-1:]), array(hidden), array(memory)
    if weight_ih_back is None or weight_hh_back is None:
        raise UnsupportedError("execute lstm", "a bidirectional one without weights of the second direction", "")
    back = _Weights(tensor(weight_ih_back), tensor(weight_hh_back), _maybe(bias_back), _maybe(peephole_back))
    size = weight_hh.shape[-1]
    first = _lstm(given, hidden[:, :size], memory[:, :size], ahead, cell)
    second = _lstm(given.flip(0), hidden[:, size:], memory[:, size:], back, cell)
    if output_sequence:
        steps = torch.cat((first[0], second[0].flip(0)), -1)
    else:
        steps = torch.cat((first[0][-1:], second[0][-1:]), -1)
    return array(steps), array(torch.cat((first[1], second[1]), -1)), array(torch.cat((first[2], second[2]), -1))


def _lstm(x: Tensor, hidden: Tensor, memory: Tensor, weights: _Weights, cell: _Cell) -> tuple[Tensor, Tensor, Tensor]:
    """One direction: every step's state [steps, batch, hidden], the last one, and the last cell state."""
    _check_sizes(x, hidden, memory, weights)
    if cell.plain and weights.peephole is None:
        return _plain_lstm(x, hidden, memory, weights)
    size = hidden.shape[-1]
    recurrent = weights.hidden.t()
    peepholes = (None, None, None) if weights.peephole is None else weights.peephole.split(size)
    outputs = []
    for projected in functional.linear(x, weights.inputs, weights.bias).unbind(0):
        into, forget, out, new = torch.addmm(projected, hidden, recurrent).split(size, -1)
        if peepholes[0] is not None:
            into, forget = into + memory * peepholes[0], forget + memory * peepholes[1]
        memory = cell.gate(forget) * memory + cell.gate(into) * cell.cell(new)
        if cell.clip is not None:
            memory = memory.clamp(-cell.clip, cell.clip)
        if peepholes[2] is not None:
            out = out + memory * peepholes[2]
        hidden = cell.gate(out) * cell.out(memory)
        outputs.append(hidden)
    return torch.stack(outputs), hidden, memory


def _check_sizes(x: Tensor, hidden: Tensor, memory: Tensor, weights: _Weights) -> None:
    """Operands that fit each other: torch's own loop trusts them, and ends the process where they do not."""
    size = hidden.shape[-1]
    given = (x.shape, hidden.shape, memory.shape, weights.inputs.shape, weights.hidden.shape)
    batch, features = x.shape[-2:] if x.dim() == 3 else (None, None)
    fits = given[1:] == ((batch, size), (batch, size), (4 * size, features), (4 * size, size))
    if not fits or x.numel() == 0 or (weights.bias is not None and weights.bias.shape != (4 * size,)):
        sizes = ", ".join(str(list(one)) for one in given)
        raise ExecutionError("evaluate lstm", f"its operands do not fit each other: {sizes}", "convert the model again")


def _plain_lstm(x: Tensor, hidden: Tensor, memory: Tensor, weights: _Weights) -> tuple[Tensor, Tensor, Tensor]:
    """The usual LSTM by torch's own loop, whose gates stand in the order input, forget, cell, output."""
    given = [one for one in (weights.inputs, weights.hidden, weights.bias) if one is not None]
    ordered = []
    for one in given:
        into, forget, out, new = one.chunk(4)
        ordered.append(torch.cat((into, forget, new, out)))
    if weights.bias is not None:
        ordered.append(torch.zeros_like(ordered[-1]))
    states = (hidden[None].contiguous(), memory[None].contiguous())
    steps, last, kept = torch.lstm(x, states, ordered, weights.bias is not None, 1, 0.0, False, False, False)  # noqa: FBT003
    return steps, last[0], kept[0]


def _outputs(steps: list[Tensor], *, sequence: bool) -> Tensor:
    return torch.stack(steps) if sequence else steps[-1][None]
