"""Calls like the one before take the shortest way: they answer, check and refuse as the first one does."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.errors import ExecutionError, InputError
from edgekit.runtime import Session
from edgekit.runtime.tflite import TfliteEngine
from edgekit.signature import Array

torch = pytest.importorskip("torch")


class Two(torch.nn.Module):
    """Two inputs, two outputs that are not alike."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"sum": a + b, "scaled": 3 * a[:, :2] - b[:, :2]}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model of one input and output, one of two, each for both runtimes."""
    folder = tmp_path_factory.mktemp("direct")
    x = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    one = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.Tanh()).eval()
    edgekit.convert(one, to=["onnx", "tflite"], samples=x, output=folder / "one.edge")
    given = {"a": x, "b": x[::-1].copy()}
    edgekit.convert(Two().eval(), to=["onnx", "tflite"], samples=given, output=folder / "two.edge")
    return folder


def given_to(session: Session, seed: int) -> dict[str, Array]:
    generator = np.random.default_rng(seed)
    return {spec.name: generator.normal(size=(1, 5)).astype(np.float32) for spec in session.signature.inputs}


@pytest.mark.parametrize("target", ["onnx", "tflite"])
@pytest.mark.parametrize("name", ["one", "two"])
def test_every_call_answers_as_the_first_of_a_session(bundles: Path, name: str, target: str) -> None:
    session = edgekit.load(bundles / f"{name}.edge", target=target, threads=1)
    kept = []
    for seed in range(4):
        given = given_to(session, seed)
        wanted = edgekit.load(bundles / f"{name}.edge", target=target, threads=1).run(given)
        answer = session.run(given)
        kept.append((answer, wanted))
        # In another order of names, too.
        for found in (answer, session.run(dict(reversed(given.items())))):
            assert list(found) == list(wanted)
            for key, value in wanted.items():
                np.testing.assert_array_equal(found[key], value)
        if seed == 1:
            # Binding takes the interpreter away from the session.
            bound = session.bind()
            for key, value in given.items():
                bound.inputs[key][...] = value
            bound()
            for key, value in wanted.items():
                np.testing.assert_array_equal(bound.outputs[key], value)
    # A later call leaves the answers of an earlier one alone.
    for answer, wanted in kept:
        for key, value in wanted.items():
            np.testing.assert_array_equal(answer[key], value)


@pytest.mark.parametrize("target", ["onnx", "tflite"])
@pytest.mark.parametrize("name", ["one", "two"])
def test_the_shortest_way_is_taken_and_refuses_what_the_first_call_refuses(
    bundles: Path, name: str, target: str
) -> None:
    session = edgekit.load(bundles / f"{name}.edge", target=target, threads=1)
    given = given_to(session, 0)
    wanted = session.run(given)
    assert session._direct is not None
    assert session._direct(given) is not None
    first = next(iter(given))
    swapped = given[first].astype(given[first].dtype.newbyteorder())
    for wrong, why in [
        (given | {first: given[first].astype(np.float64)}, "got dtype float64"),
        (given | {first: given[first][:, :4]}, "got shape"),
        (given | {first: given[first].tolist()}, "got list"),
        (given | {"more": given[first]}, "the model takes"),
        ({}, "the model takes"),
        (given | {first: swapped}, "another machine's order"),
    ]:
        with pytest.raises(InputError, match=why):
            session.run(wrong)
    # Memory that is not in one piece is an array like others.
    scattered = given | {first: np.asfortranarray(np.repeat(given[first], 2, axis=1))[:, ::2]}
    for found in (session.run(given), session.run(scattered)):
        for key, value in wanted.items():
            np.testing.assert_array_equal(found[key], value)


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_rows_may_become_more_and_fewer(target: str, tmp_path: Path) -> None:
    """The TFLite file takes one row a call: several are several calls, by the long way."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    x = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
    model = linear_model.LinearRegression().fit(x, x @ np.arange(15).reshape(5, 3))
    edgekit.convert(model, to=target, samples=x, output=tmp_path / "m.edge")
    session = edgekit.load(tmp_path / "m.edge")
    (name,) = session.signature.input_names
    for rows in (1, 1, 4, 4, 4, 1, 12, 12):
        (found,) = session.run({name: x[:rows]}).values()
        np.testing.assert_allclose(found, model.predict(x[:rows]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("target", ["onnx", "tflite"])
def test_calls_from_several_threads_do_not_mix(bundles: Path, target: str) -> None:
    session = edgekit.load(bundles / "two.edge", target=target, threads=1)
    inputs = [given_to(session, seed) for seed in range(4)]
    wanted = [session.run(given) for given in inputs]
    wrong: list[int] = []

    def work(place: int) -> None:
        for _ in range(300):
            found = session.run(inputs[place])
            if not all(np.array_equal(found[key], value) for key, value in wanted[place].items()):
                wrong.append(place)

    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_output_whose_size_only_the_call_tells_takes_no_shortest_way() -> None:
    """Its memory is elsewhere after each call."""
    tf = pytest.importorskip("tensorflow")

    @tf.function(input_signature=[tf.TensorSpec([6], tf.float32)])
    def positive(x: Any) -> Any:
        return {"found": tf.gather_nd(x, tf.where(x > 0))}

    converter = tf.lite.TFLiteConverter.from_concrete_functions([positive.get_concrete_function()])
    engine = TfliteEngine(converter.convert(), threads=1)
    (name,) = engine.signature.input_names
    for count in (2, 6, 1, 6):
        x = np.where(np.arange(6) < count, 1.5, -1).astype(np.float32)
        (found,) = engine.run({name: x}).values()
        np.testing.assert_array_equal(found, np.full(count, 1.5, np.float32))
        assert engine.repeated({name: x.shape}) is None


def test_repeated_calls_end_where_another_shape_or_a_bound_call_comes_between(bundles: Path) -> None:
    bundle = edgekit.Bundle.open(bundles / "one.edge")
    engine = TfliteEngine(bytes(bundle.model_bytes(bundle.artifact("tflite"))), threads=1)
    ((name, x),) = ((spec.name, np.ones((1, 5), np.float32)) for spec in engine.signature.inputs)
    (wanted,) = engine.run({name: x}).values()
    assert engine.repeated({name: (2, 5)}) is None
    first = engine.repeated({name: x.shape})
    assert first is not None
    np.testing.assert_array_equal(first(x)[0], wanted)
    second = engine.repeated({name: x.shape})
    assert second is not None
    # Two at once would write into one memory.
    assert first(x) is None
    engine.run({name: x})
    assert second(x) is None
    third = engine.repeated({name: x.shape})
    assert third is not None
    with pytest.raises(ValueError, match="broadcast"):
        third(np.ones((2, 5), np.float32))
    np.testing.assert_array_equal(third(x)[0], wanted)
    engine.buffers({name: x.shape})
    assert third(x) is None


class Alone(torch.nn.Module):
    """A lone number out."""

    def forward(self, x: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
        return (x * k).sum()


def test_a_lone_number_has_no_memory_that_can_be_seen(tmp_path: Path) -> None:
    given = {"x": np.ones((3, 4), np.float32), "k": np.arange(3, dtype=np.float32)}
    edgekit.convert(Alone().eval(), to="tflite", samples=given, output=tmp_path / "m.edge")
    session = edgekit.load(tmp_path / "m.edge")
    for k in (1.0, 2.0, -3.0):
        (found,) = session.run({"x": given["x"][:1], "k": np.full(1, k, np.float32)}).values()
        assert found == 4 * k
    with pytest.raises(ExecutionError, match=r"lone number.*session\.run"):
        session.bind()
