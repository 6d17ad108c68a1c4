"""Sessions over both runtimes: names, dtypes and layout, zero-copy calls, dynamic batches, threads."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgekit
from edgekit.errors import ExecutionError, InputError
from edgekit.runtime import open_engine
from edgekit.runtime.session import Session

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("ai_edge_litert")

TARGETS = ("onnx", "tflite")


def inputs(seed: int = 1) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(seed)
    return {"pixels": rng.standard_normal((1, 3, 8, 8)).astype("f4"), "tokens": rng.integers(0, 10, (1, 6))}


@pytest.fixture(params=TARGETS)
def session(request: pytest.FixtureRequest, picture_bundle: Path) -> Session:
    return edgekit.load(picture_bundle, target=request.param)


def test_a_session_speaks_the_bundles_names_layout_and_dtypes(session: Session) -> None:
    given = inputs()
    answer = session.run(given)
    assert list(answer) == ["scores", "next"]
    assert (answer["scores"].shape, answer["scores"].dtype) == ((1, 5), np.float32)
    np.testing.assert_array_equal(answer["next"], given["tokens"] + 1)
    assert answer["next"].dtype == np.int64
    assert session.runtime.split()[0] in {"onnxruntime", "litert"}


def test_it_passes_its_self_test(session: Session) -> None:
    verdict = session.self_test()
    assert verdict, str(verdict)
    assert verdict.samples == 4


@pytest.mark.parametrize("target", TARGETS)
def test_native_speaks_the_files_own(picture_bundle: Path, target: str) -> None:
    session = edgekit.load(picture_bundle, target=target, native=True)
    assert session.signature.input("pixels").shape == (1, 8, 8, 3)
    assert session.signature.input("tokens").dtype == {"onnx": "int64", "tflite": "int32"}[target]
    given = inputs()
    turned = {
        "pixels": np.ascontiguousarray(given["pixels"].transpose(0, 2, 3, 1)),
        "tokens": given["tokens"].astype(session.signature.input("tokens").dtype),
    }
    plain = edgekit.load(picture_bundle, target=target).run(given)
    np.testing.assert_array_equal(session.run(turned)["scores"], plain["scores"])
    with pytest.raises(InputError, match="no recorded outputs"):
        session.self_test()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": None}, "inputs pixels: the model takes pixels, tokens; give exactly those names"),
        (
            {"more": np.zeros(1)},
            "inputs pixels, tokens, more: the model takes pixels, tokens; give exactly those names",
        ),
        (
            {"pixels": np.zeros((1, 3, 8, 8))},
            "input 'pixels': got dtype float64, the model takes float32; convert it first",
        ),
        (
            {"pixels": np.zeros((1, 8, 8, 3), "f4")},
            (
                "input 'pixels': got shape [1, 8, 8, 3], the model takes pixels: float32[1, 3, 8, 8]; "
                "give an array of that shape"
            ),
        ),
        ({"pixels": [[1.0]]}, "input 'pixels': got list; give a numpy array: pixels: float32[1, 3, 8, 8]"),
        (
            {"pixels": np.zeros((1, 3, 8, 8), ">f4")},
            "input 'pixels': its bytes are in another machine's order (>f4); convert it first",
        ),
    ],
)
def test_wrong_inputs_say_what_was_given_and_wanted(session: Session, change: dict[str, Any], message: str) -> None:
    given = {name: value for name, value in {**inputs(), **change}.items() if value is not None}
    with pytest.raises(InputError) as caught:
        session.run(given)
    assert str(caught.value).rstrip(".") == message.rstrip(".")


def test_strided_and_read_only_arrays_are_taken(session: Session) -> None:
    given = inputs()
    want = session.run(given)["scores"]
    fortran = {name: np.asfortranarray(array) for name, array in given.items()}
    strided = {"pixels": np.repeat(given["pixels"], 2, axis=3)[..., ::2], "tokens": given["tokens"]}
    for array in (*fortran.values(), strided["pixels"]):
        array.setflags(write=False)
    for variant in (fortran, strided):
        np.testing.assert_array_equal(session.run(variant)["scores"], want)


def test_an_integer_too_large_for_the_file_is_refused(picture_bundle: Path) -> None:
    session = edgekit.load(picture_bundle, target="tflite")
    given = {**inputs(), "tokens": np.full((1, 6), 2**40)}
    with pytest.raises(InputError, match="input 'tokens': a value does not fit the file's int32"):
        session.run(given)
    bound = session.bind()
    bound.inputs["tokens"][...] = 2**40
    with pytest.raises(InputError, match="input 'tokens': a value does not fit the file's int32"):
        bound()


def test_the_runtimes_refusal_is_an_execution_error_and_prints_nothing(
    picture_bundle: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    session = edgekit.load(picture_bundle, target="onnx")
    with pytest.raises(ExecutionError, match="out of data bounds"):
        session.run({**inputs(), "tokens": np.full((1, 6), 99)})
    bound = session.bind()
    bound.inputs["tokens"][...] = 99
    with pytest.raises(ExecutionError, match="out of data bounds"):
        bound()
    assert capfd.readouterr() == ("", "")


# --- bind


@pytest.mark.parametrize("native", [False, True])
def test_a_bound_call_answers_as_run_does_and_its_memory_stays(session: Session, native: bool) -> None:
    bound = session.bind(native=native)
    arrays = {**bound.inputs, **bound.outputs}
    addresses = {name: array.ctypes.data for name, array in arrays.items()}
    for seed in range(5):
        given = inputs(seed)
        for name, array in bound.inputs.items():
            array[...] = given[name].transpose(0, 2, 3, 1) if native and name == "pixels" else given[name]
        bound()
        want = session.run(given)
        for name, array in bound.outputs.items():
            np.testing.assert_array_equal(array, want[name])
    assert {name: array.ctypes.data for name, array in arrays.items()} == addresses


@pytest.mark.parametrize("target", TARGETS)
def test_native_bound_inputs_are_the_runtimes_own_memory(picture_bundle: Path, target: str) -> None:
    session = edgekit.load(picture_bundle, target=target)
    bound = session.bind(native=True)
    own = bound._buffers
    assert all(bound.inputs[name] is own.inputs[name] for name in bound.inputs)
    assert all(bound.outputs[name] is own.outputs[name] for name in bound.outputs)


def test_bound_sessions_of_one_session_and_its_runs_do_not_disturb_each_other(session: Session) -> None:
    first, second = session.bind(), session.bind()
    for bound, seed in ((first, 1), (second, 2)):
        for name, array in bound.inputs.items():
            array[...] = inputs(seed)[name]
    first()
    second()
    session.run(inputs(3))
    np.testing.assert_array_equal(first.outputs["scores"], session.run(inputs(1))["scores"])
    np.testing.assert_array_equal(second.outputs["scores"], session.run(inputs(2))["scores"])


def test_buffers_outlive_the_session(picture_bundle: Path) -> None:
    for target in TARGETS:
        bound = edgekit.load(picture_bundle, target=target).bind(native=True)
        gc.collect()
        bound()
        scores = bound.outputs["scores"]
        want = scores.copy()
        del bound
        gc.collect()
        np.testing.assert_array_equal(scores, want)


# --- several at once


def test_threads_share_a_session(session: Session) -> None:
    given = [inputs(seed) for seed in range(6)]
    want = [session.run(one)["scores"] for one in given]
    wrong: list[object] = []

    def work(index: int) -> None:
        try:
            wrong.extend(i for i in range(100) if not np.array_equal(session.run(given[index])["scores"], want[index]))
        except Exception as error:  # noqa: BLE001 - an assertion in a thread would be lost
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(given))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_two_runtimes_at_once_agree(picture_bundle: Path) -> None:
    one, other = (edgekit.load(picture_bundle, target=target) for target in TARGETS)
    for seed in range(3):
        np.testing.assert_allclose(one.run(inputs(seed))["scores"], other.run(inputs(seed))["scores"], atol=1e-6)


# --- dynamic batches


@pytest.fixture(scope="module")
def doubling() -> bytes:
    """y = 2 x, of any batch, made by hand."""
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "x"], ["y"])],
        "doubling",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3])],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    return model.SerializeToString()  # type: ignore[no-any-return]


def test_onnx_takes_any_batch(doubling: bytes) -> None:
    session = Session(open_engine("onnx", doubling))
    assert session.signature.input("x").shape == (None, 3)
    for batch in (1, 2, 5):
        x = np.arange(batch * 3, dtype="f4").reshape(batch, 3)
        np.testing.assert_array_equal(session.run({"x": x})["y"], 2 * x)
        bound = session.bind(batch=batch)
        bound.inputs["x"][...] = x
        bound()
        np.testing.assert_array_equal(bound.outputs["y"], 2 * x)


def test_litert_is_resized_when_the_batch_changes(tmp_path: Path) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    function = tensorflow.function(lambda x: {"y": x + x}, input_signature=[tensorflow.TensorSpec([None, 3], name="x")])
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()])
    session = Session(open_engine("tflite", converter.convert()))
    (spec,) = session.signature.inputs
    assert spec.shape == (None, 3)
    for batch in (1, 2, 5, 1):
        x = np.arange(batch * 3, dtype="f4").reshape(batch, 3)
        (y,) = session.run({spec.name: x}).values()
        np.testing.assert_array_equal(y, 2 * x)
        bound = session.bind(batch=batch)
        bound.inputs[spec.name][...] = x
        bound()
        np.testing.assert_array_equal(next(iter(bound.outputs.values())), 2 * x)


# --- damaged files


@pytest.mark.parametrize("target", TARGETS)
def test_a_damaged_file_is_an_execution_error(target: str) -> None:
    with pytest.raises(ExecutionError, match="load a"):
        open_engine(target, b"\x00" * 64)


def test_a_model_file_is_loaded_by_its_suffix(doubling: bytes, tmp_path: Path) -> None:
    path = tmp_path / "doubling.onnx"
    path.write_bytes(doubling)
    assert edgekit.load(path).run({"x": np.ones((1, 3), "f4")})["y"].tolist() == [[2, 2, 2]]
    with pytest.raises(InputError, match="no such file"):
        edgekit.load(tmp_path / "other.onnx")
    with pytest.raises(InputError, match="it is a model file"):
        edgekit.load(path, target="tflite")


def test_an_array_without_a_name_is_refused_with_the_names_to_give(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "net", value[:1], value[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "m.onnx")
    session = edgekit.load(tmp_path / "m.onnx")
    with pytest.raises(InputError, match=r"inputs of type ndarray: they have no names; give \{'x': array\}"):
        session.run(np.zeros((1, 2), np.float32))  # type: ignore[arg-type]
