"""Names and metadata of .tflite files, changed in front of what the converter wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.convert.tflite_file import read_metadata, rewrite
from edgekit.runtime import open_engine

torch = pytest.importorskip("torch")
schema = pytest.importorskip("ai_edge_litert.schema_py_generated")

X = np.linspace(-1, 1, 64, dtype="f4").reshape(1, 64)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What litert-torch writes: 64 → 40 → 3, two outputs."""
    litert_torch = pytest.importorskip("litert_torch")

    class Network(torch.nn.Module):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = torch.nn.Linear(64, 40), torch.nn.Linear(40, 3)

        def forward(self, x):  # type: ignore[no-untyped-def]
            hidden = self.first(x).relu()
            return hidden, self.second(hidden)

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("tflite") / "made.tflite"
    litert_torch.convert(Network().eval(), (torch.zeros(1, 64),)).export(str(path))
    return path


@pytest.fixture(scope="module")
def answers(made: Path) -> list[np.ndarray[Any, Any]]:
    return list(open_engine("tflite", made).run({"args_0": X}).values())


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    path = tmp_path / "copy.tflite"
    path.write_bytes(made.read_bytes())
    return path


def weights(path: Path) -> list[tuple[int, bytes]]:
    """Where each buffer's data lies in the file, and the data."""
    content = path.read_bytes()
    model = schema.Model.GetRootAs(content, 0)
    found = []
    for index in range(model.BuffersLength()):
        buffer = model.Buffers(index)
        if buffer.DataLength():
            start = buffer._tab.Vector(buffer._tab.Offset(4))
            found.append((start, content[start : start + buffer.DataLength()]))
    return found


def test_the_runtime_takes_the_new_names(copy: Path, answers: list[np.ndarray[Any, Any]]) -> None:
    rewrite(copy, inputs={"args_0": "größe.0"}, outputs={"output_0": "hidden", "output_1": "größe.0"})
    engine = open_engine("tflite", copy)
    assert engine.signature.input_names == ("größe.0",)
    assert set(engine.signature.output_names) == {"hidden", "größe.0"}
    answer = engine.run({"größe.0": X})
    by_shape = {array.shape: array for array in answers}
    for array in answer.values():
        np.testing.assert_array_equal(array, by_shape[array.shape])
    assert (answer["hidden"].shape, answer["größe.0"].shape) == ((1, 40), (1, 3))


def test_what_the_converter_wrote_stays_byte_for_byte_and_aligned(copy: Path, made: Path) -> None:
    old = weights(made)
    rewrite(copy, inputs={"args_0": "x"}, metadata={"about": "a" * 77})
    shift = copy.stat().st_size - made.stat().st_size
    assert shift % 64 == 0
    assert copy.read_bytes()[shift:] == made.read_bytes()
    new = [entry for entry in weights(copy) if entry[0] >= shift]
    assert [(start - shift, data) for start, data in new] == old
    assert all(start % 64 == at % 64 for (start, _), (at, _) in zip(new, old, strict=True))
    # What was added is aligned as the schema asks of every buffer, though not every converter keeps to it.
    assert [start % 16 for start, data in weights(copy) if data == b"a" * 77] == [0]


def test_names_that_are_not_given_stay(copy: Path) -> None:
    rewrite(copy, outputs={"output_1": "scores"})
    signature = open_engine("tflite", copy).signature
    assert signature.input_names == ("args_0",)
    assert set(signature.output_names) == {"output_0", "scores"}


def test_metadata_is_replaced_not_doubled(copy: Path, made: Path) -> None:
    own = read_metadata(made)
    for text in ("first", "zweites, größer"):
        rewrite(copy, metadata={"edgekit.preprocessing": text, "empty": ""})
    found = read_metadata(copy)
    assert found["edgekit.preprocessing"] == "zweites, größer"
    assert own.items() <= found.items()
    model = schema.Model.GetRootAs(copy.read_bytes(), 0)
    names = [model.Metadata(index).Name().decode() for index in range(model.MetadataLength())]
    assert sorted(set(names)) == sorted(names)


def test_rewritten_again_and_again_it_still_runs(copy: Path, answers: list[np.ndarray[Any, Any]]) -> None:
    name = "args_0"
    for round_number in range(5):
        rewrite(copy, inputs={name: f"x{round_number}"}, metadata={f"round{round_number}": str(round_number)})
        name = f"x{round_number}"
    got = open_engine("tflite", copy).run({name: X})
    assert sorted(map(str, (a.shape for a in got.values()))) == sorted(map(str, (a.shape for a in answers)))
    assert {key: value for key, value in read_metadata(copy).items() if key.startswith("round")} == {
        f"round{n}": str(n) for n in range(5)
    }


text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=text,
    outputs=st.lists(text, min_size=2, max_size=2, unique=True),
    metadata=st.dictionaries(text, text, max_size=3),
)
def test_any_text_is_a_name(
    made: Path, tmp_path: Path, name: str, outputs: list[str], metadata: dict[str, str]
) -> None:
    path = tmp_path / "any.tflite"
    path.write_bytes(made.read_bytes())
    rewrite(path, inputs={"args_0": name}, outputs={"output_0": outputs[0], "output_1": outputs[1]}, metadata=metadata)
    engine = open_engine("tflite", path)
    assert engine.signature.input_names == (name,)
    answer = engine.run({name: X})
    assert (answer[outputs[0]].shape, answer[outputs[1]].shape) == ((1, 40), (1, 3))
    assert metadata.items() <= read_metadata(path).items()
