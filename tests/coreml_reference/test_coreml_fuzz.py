"""Damaged packages: every one is refused with edgekit's own errors, or gives an answer; nothing else happens."""

from __future__ import annotations

import random
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coreml_packages import MODEL, WEIGHTS, converter, save
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.coreml_reference import open_model
from edgekit.coreml_reference.messages import parse_model
from edgekit.errors import EdgekitError

torch = pytest.importorskip("torch")
pytest.importorskip("coremltools")
nn = torch.nn
X = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)
ODD = (0, 1, -1, 2, 7, 255, 2**31 - 1, -(2**31), 2**62, 2**63 - 1)


class Mixed(nn.Module):  # type: ignore[misc,name-defined]
    """Layers of many families: what they are made of differs, so what can break does."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(8, 4, 2, stride=2)
        self.norm = nn.LayerNorm(16)
        self.lstm = nn.LSTM(16, 8, batch_first=True)
        self.fc = nn.Linear(8, 5)

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.up(self.conv(x)))
        y = torch.cat([nn.functional.max_pool2d(y, 2), nn.functional.avg_pool2d(y, 2)], dim=1)
        y = nn.functional.pad(y, (1, 1, 0, 0)).transpose(1, 2).reshape(1, -1, 16)
        y, _ = self.lstm(self.norm(y))
        return (self.fc(y[:, -1]) * 2).softmax(-1)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    converter()
    return save(Mixed(), torch.zeros(X.shape), tmp_path_factory.mktemp("fuzz") / "m.mlpackage")


@pytest.fixture(scope="module", autouse=True)
def little_memory() -> Iterator[None]:
    """A program that asks for more than 4 GB is to be refused, not to take the machine down."""
    if sys.platform != "linux":
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 4 * 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def attempt(package: Path) -> str:
    """Open and run; what came of it."""
    started = time.monotonic()
    answer: dict[str, Any] = {}
    refused: EdgekitError | None = None
    try:
        model = open_model(package)
        answer = model.predict({feature.name: X for feature in model.inputs})
    except EdgekitError as error:
        refused = error
    assert time.monotonic() - started < 30
    if refused is None:
        assert all(isinstance(value, np.ndarray) for value in answer.values())
        return "answer"
    assert refused.asked
    assert refused.why
    return "refused"


def damaged(package: Path, folder: Path, file: Path, change: Callable[[bytes], bytes]) -> str:
    copy = folder / "m.mlpackage"
    if not copy.exists():
        shutil.copytree(package, copy)
    original = (package / file).read_bytes()
    (copy / file).write_bytes(change(original))
    try:
        return attempt(copy)
    finally:
        (copy / file).write_bytes(original)


def test_the_undamaged_package_answers(package: Path) -> None:
    assert attempt(package) == "answer"


@settings(max_examples=120, deadline=None, derandomize=True)
@given(data=st.data())
def test_bytes_of_the_model(package: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    size = (package / MODEL).stat().st_size
    places = data.draw(st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, 255)), min_size=1, max_size=3))

    def change(original: bytes) -> bytes:
        mutable = bytearray(original)
        for place, value in places:
            mutable[place] = value
        return bytes(mutable)

    damaged(package, tmp_path_factory.getbasetemp(), MODEL, change)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_part_of_the_model_is_cut_out_or_repeated(
    package: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    size = (package / MODEL).stat().st_size
    first = data.draw(st.integers(0, size - 1))
    last = data.draw(st.integers(first, min(size, first + 200)))
    times = data.draw(st.sampled_from([0, 2, 3]))
    damaged(
        package,
        tmp_path_factory.getbasetemp(),
        MODEL,
        lambda original: original[:first] + original[first:last] * times + original[last:],
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_bytes_of_the_weights(package: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    size = (package / WEIGHTS).stat().st_size
    place = data.draw(st.integers(0, size - 1) | st.integers(0, 160))
    value = data.draw(st.binary(min_size=1, max_size=8))
    damaged(
        package,
        tmp_path_factory.getbasetemp(),
        WEIGHTS,
        lambda original: (original[:place] + value + original[place + len(value) :])[: len(original)],
    )


@pytest.mark.parametrize("seed", range(8))
def test_fields_of_the_program(package: Path, tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Messages that are whole, with one field that is odd: what a byte's change rarely makes."""
    chance = random.Random(seed)
    outcomes = set()
    for _ in range(40):

        def change(original: bytes) -> bytes:
            model = parse_model(original)
            for _ in range(chance.choice([1, 1, 1, 2])):
                alter(model, chance)
            data: bytes = model.SerializeToString()
            return data

        outcomes.add(damaged(package, tmp_path_factory.getbasetemp(), MODEL, change))
    assert "refused" in outcomes


def alter(model: Any, chance: random.Random) -> None:
    """Change one field, somewhere."""
    names = [one.name for one in messages(model) if hasattr(one, "name") and isinstance(one.name, str)]
    while True:
        message = chance.choice(list(messages(model)))
        fields = [field for field, _ in message.ListFields()]
        if not fields:
            continue
        try:
            if alter_field(message, chance.choice(fields), names, chance):
                return
        except ValueError:
            # The field cannot hold that value.
            continue


def alter_field(message: Any, field: Any, names: list[str], chance: random.Random) -> bool:
    """Clear, shorten, repeat or set a field; whether there was anything to do."""
    value, kind = getattr(message, field.name), chance.random()
    if kind < 0.2:
        message.ClearField(field.name)
    elif field.is_repeated and kind < 0.5:
        del value[chance.randrange(len(value))]
    elif field.is_repeated and kind < 0.7:
        value.append(value[chance.randrange(len(value))])
    elif field.message_type is not None:
        return False
    elif field.is_repeated:
        value[chance.randrange(len(value))] = other(value[0], names, chance)
    else:
        setattr(message, field.name, other(value, names, chance))
    return True


def other(value: Any, names: list[str], chance: random.Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return chance.choice([*names, "", "other", "relu", "NCHW"])
    if isinstance(value, float):
        return chance.choice([0.0, -1.0, float("nan"), float("inf"), 1e30])
    if isinstance(value, bytes):
        return value[: chance.randrange(len(value) + 1)]
    return chance.choice(ODD)


def messages(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in value if field.is_repeated else (value,):
                yield from messages(one)
