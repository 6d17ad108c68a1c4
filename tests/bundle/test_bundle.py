from __future__ import annotations

import hashlib
import json
import math
import shutil
import subprocess
import sys
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from bundle_parts import Parts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.bundle import Bundle, Manifest, archive, check_output, measure, utc_now, write_bundle, write_golden
from edgekit.bundle.archive import unsafe_names
from edgekit.bundle.golden import read_golden
from edgekit.bundle.signing import check_signature, sign
from edgekit.errors import BundleError, InputError
from edgekit.signature import dtype_name
from edgekit.verify import OutputVerdict, Tolerance, Verdict

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "manifest.schema.json"


def written(parts: Parts, output: Path, **options: bool) -> Path:
    return write_bundle(output, parts.manifest, parts.files, parts.golden, **options)


@pytest.mark.parametrize("unpacked", [False, True])
def test_round_trip(parts: Parts, tmp_path: Path, unpacked: bool) -> None:
    bundle = Bundle.open(written(parts, tmp_path / "model.edge", unpacked=unpacked))
    bundle.verify_files()
    assert replace(bundle.manifest, golden=None) == parts.manifest
    assert bytes(bundle.model_bytes(bundle.artifact("onnx"))) == bytes(range(100))
    assert bytes(bundle.model_bytes(bundle.artifact("tflite", "float32"))) == b"TFL3" * 5
    assert bundle.artifact("coreml").is_folder
    assert not bundle.artifact("onnx", "float16").is_folder
    runs = bundle.golden()
    assert [run[0]["x"].tolist() for run in runs] == [[[1, 1], [1, 1]], [[2, 2], [2, 2]]]
    assert [run[1]["y/ä"].tolist() for run in runs] == [[1, 2], [3, 4]]
    assert repr(bundle) == "<Bundle model.edge: onnx/float32, tflite/float32, coreml/float32, onnx/float16>"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.edge", "work"]


def test_an_archive_that_other_tools_read(parts: Parts, tmp_path: Path) -> None:
    path = written(parts, tmp_path / "model.edge")
    with zipfile.ZipFile(path) as plain:
        assert plain.testzip() is None
        assert plain.namelist() == [
            "manifest.json",
            "manifest.sha256",
            "golden.npz",
            "onnx/float32.onnx",
            "tflite/float32.tflite",
            "coreml/float32.mlpackage/Data/weights.bin",
            "coreml/float32.mlpackage/Manifest.json",
            "onnx/big.onnx.data",
            "onnx/float16.onnx",
        ]
        assert {info.date_time for info in plain.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        content = plain.read("manifest.json")
        assert plain.read("manifest.sha256").decode() == f"{hashlib.sha256(content).hexdigest()}  manifest.json\n"
    if unzip := shutil.which("unzip"):
        subprocess.run([unzip, "-tq", str(path)], check=True, capture_output=True, timeout=60)


def test_every_member_starts_at_a_multiple_of_64_and_of_memory(parts: Parts, tmp_path: Path) -> None:
    path = written(parts, tmp_path / "model.edge")
    content, bundle = path.read_bytes(), Bundle.open(path)
    for model in (b"TFL3" * 5, bytes(range(100)), b"weights" * 9):
        assert content.index(model) % 64 == 0
    view = bundle.model_bytes(bundle.artifact("onnx"))
    assert view.readonly
    assert np.frombuffer(view, np.uint8).ctypes.data % 64 == 0
    assert bundle.model_bytes(bundle.artifact("onnx")) is view


def test_the_same_parts_give_the_same_bytes(parts: Parts, tmp_path: Path) -> None:
    first, second = written(parts, tmp_path / "a.edge"), written(parts, tmp_path / "b.edge")
    assert first.read_bytes() == second.read_bytes()


def test_a_bundle_is_streamed(parts: Parts, tmp_path: Path) -> None:
    big = parts.files["onnx/float32.onnx"]
    with big.open("r+b") as file:
        file.truncate(64 << 20)
    digest = measure(big)
    onnx = replace(parts.manifest.artifacts[0], bytes=digest.bytes, sha256=digest.sha256)
    manifest = replace(parts.manifest, artifacts=(onnx,))
    tracemalloc.start()
    write_bundle(tmp_path / "model.edge", manifest, {"onnx/float32.onnx": big}, parts.golden)
    bundle = Bundle.open(tmp_path / "model.edge")
    bundle.verify_files()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20


def test_64_bit_sizes(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_ZIP64_FROM", 0)
    path = written(parts, tmp_path / "model.edge")
    bundle = Bundle.open(path)
    bundle.verify_files()
    assert path.read_bytes().index(bytes(range(100))) % 64 == 0
    with zipfile.ZipFile(path) as plain:
        assert plain.testzip() is None


@pytest.mark.slow
def test_a_member_beyond_4_gb_is_written_and_read(parts: Parts, tmp_path: Path) -> None:
    big = tmp_path / "work" / "model.onnx"
    with big.open("r+b") as file:  # sparse: 4 GiB of zeros that take no room here, and the archive's writing is real
        file.truncate(2**32 + 5)
    try:
        digest = measure(big)
        onnx = replace(parts.manifest.artifacts[0], bytes=digest.bytes, sha256=digest.sha256)
        manifest = replace(parts.manifest, artifacts=(onnx, parts.manifest.artifacts[1]))
        files = {name: parts.files[name] for name in ("onnx/float32.onnx", "tflite/float32.tflite")}
        path = write_bundle(tmp_path / "model.edge", manifest, files, parts.golden)
        bundle = Bundle.open(path)
        assert len(bundle.model_bytes(bundle.artifact("onnx"))) == 2**32 + 5
        assert bytes(bundle.model_bytes(bundle.artifact("tflite"))) == b"TFL3" * 5  # its offset needs 64 bits
        with zipfile.ZipFile(path) as plain:
            assert plain.getinfo("onnx/float32.onnx").file_size == 2**32 + 5
    finally:
        big.unlink()
        (tmp_path / "model.edge").unlink(missing_ok=True)


@pytest.mark.parametrize("unpacked", [False, True])
def test_extract(parts: Parts, tmp_path: Path, unpacked: bool) -> None:
    bundle = Bundle.open(written(parts, tmp_path / "model.edge", unpacked=unpacked))
    package = bundle.extract(bundle.artifact("coreml"), tmp_path / "out")
    assert package == tmp_path / "out" / "float32.mlpackage"
    assert measure(package) == measure(parts.files["coreml/float32.mlpackage"])
    model = bundle.extract(bundle.artifact("onnx", "float16"), tmp_path / "out")
    assert model.read_bytes() == b"graph"
    assert model.with_name("big.onnx.data").read_bytes() == b"weights" * 9
    with pytest.raises(InputError, match=r"float32\.mlpackage exists already"):
        bundle.extract(bundle.artifact("coreml"), tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "big.onnx.data",
        "float16.onnx",
        "float32.mlpackage",
    ]
    with pytest.raises(InputError, match="it is 2 files"):
        bundle.model_bytes(bundle.artifact("coreml"))
    with pytest.raises(InputError, match="it has: onnx/float32, tflite/float32, coreml/float32, onnx/float16"):
        bundle.artifact("onnx", "int8")


def test_a_real_model_runs_from_mapped_memory(parts: Parts, tmp_path: Path) -> None:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "g", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, parts.files["onnx/float32.onnx"])
    digest = measure(parts.files["onnx/float32.onnx"])
    artifact = replace(parts.manifest.artifacts[0], bytes=digest.bytes, sha256=digest.sha256)
    manifest = replace(parts.manifest, artifacts=(artifact,))
    files = {"onnx/float32.onnx": parts.files["onnx/float32.onnx"]}
    bundle = Bundle.open(write_bundle(tmp_path / "model.edge", manifest, files, parts.golden))
    session = onnxruntime.InferenceSession(bytes(bundle.model_bytes(artifact)), providers=["CPUExecutionProvider"])
    assert session.run(None, {"x": np.array([1, -2], np.float32)})[0].tolist() == [-1, 2]


def test_manifest_matches_its_schema_and_reads_back(parts: Parts, tmp_path: Path) -> None:
    manifest = Bundle.open(written(parts, tmp_path / "model.edge")).manifest
    content = manifest.to_bytes()
    assert Manifest.from_bytes(content) == manifest
    assert Manifest.from_bytes(content).to_bytes() == content
    assert content.startswith(b'{\n "artifacts": [\n  {\n   "bytes": 100,')
    assert "Katze 🐈".encode() in content
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(content), schema)
    row = json.loads(content)["artifacts"][0]
    assert {"target", "scheme", "file", "bytes", "convert_seconds", "call_ms", "verdict"} < row.keys()


def test_a_folder_is_digested_file_by_file(parts: Parts) -> None:
    empty, zeros = hashlib.sha256(b"{}").hexdigest(), hashlib.sha256(bytes(range(70))).hexdigest()
    text = f"Data/weights.bin\0{zeros}\nManifest.json\0{empty}\n"
    digest = measure(parts.files["coreml/float32.mlpackage"])
    assert digest.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert digest.bytes == 72


METRIC = st.none() | st.floats(0, 1e6) | st.just(math.inf)


@given(sqnr=METRIC, cosine=st.none() | st.floats(-1, 1), agreement=st.none() | st.floats(0, 1), error=st.floats(0, 9))
def test_any_verdict_reads_back_as_the_same_json(
    sqnr: float | None, cosine: float | None, agreement: float | None, error: float
) -> None:
    if sqnr == math.inf:
        error = 0.0
        agreement = None if agreement is None else 1.0  # identical outputs have identical labels
    if sqnr is None:
        # Without a ratio there are labels, and labels with an error do not all agree.
        agreement = 0.5 if error else agreement or 1.0
    output = OutputVerdict(True, sqnr, cosine, error, error, error, agreement)
    data = Verdict(True, "litert 2.3.0", 3, False, Tolerance(sqnr_db=50), {"y": output}).to_json()
    assert Verdict.from_json(json.loads(json.dumps(data, allow_nan=False))).to_json() == data


def test_manifest_refuses_what_does_not_fit(parts: Parts) -> None:
    manifest, onnx = parts.manifest, parts.manifest.artifacts[0]
    with pytest.raises(InputError, match="onnx/float32 is there twice"):
        replace(manifest, artifacts=(onnx, onnx))
    with pytest.raises(InputError, match=r"'onnx/float32.onnx' is there twice"):
        replace(manifest, artifacts=(onnx, replace(onnx, scheme="int8")))
    with pytest.raises(InputError, match="not an ISO 8601 time in UTC"):
        replace(manifest, created="yesterday")
    with pytest.raises(InputError, match="bindings are not those of its signature"):
        replace(onnx, inputs=())
    with pytest.raises(InputError, match="the binding of 'x' does not fit"):
        replace(onnx, inputs=(replace(onnx.inputs[0], transpose=(0, 2)),))
    with pytest.raises(InputError, match="contradict each other"):
        replace(onnx, verdict=replace(onnx.verdict, executed_by=None))
    with pytest.raises(InputError, match="leads out of the bundle"):
        replace(onnx, file="../float32.onnx")
    with pytest.raises(InputError, match="leads out of the bundle"):
        replace(parts.manifest.artifacts[2], file="/float32.mlpackage")
    with pytest.raises(InputError, match="not JSON compliant"):
        replace(manifest, preprocessing={"mean": math.nan}).to_bytes()
    with pytest.raises(InputError, match="unknown or missing keys: extra"):
        replace(manifest, samples={**manifest.samples, "extra": 1})


def edit(parts: Parts, **changes: object) -> bytes:
    return json.dumps({**json.loads(parts.manifest.to_bytes()), **changes}).encode()


def test_manifest_of_another_schema(parts: Parts) -> None:
    with pytest.raises(BundleError, match=r"schema 9: this edgekit reads schema 1; read it with edgekit 3\.0 or newer"):
        Manifest.from_bytes(edit(parts, schema=9, edgekit="3.0"))
    with pytest.raises(BundleError, match="no schema number"):
        Manifest.from_bytes(b"[]")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"surprise": 1}, "unknown or missing keys: surprise"),
        ({"seed": True}, "seed of manifest is True"),
        ({"labels": ["a", 1]}, "labels has something that is no text"),
        ({"artifacts": [1]}, "artifact is no object"),
        ({"artifacts": {}}, "artifacts of manifest is {}"),
        ({"golden": {"sha256": "x"}}, "unknown or missing keys: bytes"),
        ({"signature": {"inputs": [{"name": "x", "dtype": "float32", "shape": [-1]}], "outputs": []}}, "shape of 'x'"),
        ({"signature": {"inputs": [{"name": "x", "dtype": "complex64", "shape": []}], "outputs": []}}, "complex64"),
        ({"source": {}}, "source has unknown or missing keys"),
    ],
)
def test_manifest_is_read_strictly(parts: Parts, changes: dict[str, object], why: str) -> None:
    with pytest.raises(BundleError, match=why):
        Manifest.from_bytes(edit(parts, **changes))


def test_every_key_of_a_manifest_is_needed_and_no_other_taken(parts: Parts) -> None:
    content = parts.manifest.to_bytes()
    refused = 0
    for path in _objects(json.loads(content)):
        for change in ("drop", "add"):
            data = json.loads(content)
            node = data
            for step in path:
                node = node[step]
            if change == "add":
                node["surprise"] = None
            else:
                node.pop(next(iter(node)))
            with pytest.raises(BundleError):
                Manifest.from_json(data)
            refused += 1
    assert refused > 80


def _objects(node: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Where the objects with fixed keys are."""
    if path and path[-1] in {"preprocessing", "columns", "versions", "runtimes", "tolerance", "tolerance_that_passes"}:
        return []
    free = path and path[-1] in {"files", "outputs"} and isinstance(node, dict) and "inputs" not in path[-2:]
    below = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    here = [path] if isinstance(node, dict) and not free else []
    return here + [found for key, value in below for found in _objects(value, (*path, key))]


@pytest.mark.parametrize("text", [b"{", b"\xff", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 100_000])
def test_manifest_that_is_no_json(text: bytes) -> None:
    with pytest.raises(BundleError, match="not JSON"):
        Manifest.from_bytes(text)


def test_utc_now_is_what_a_manifest_takes(parts: Parts) -> None:
    assert replace(parts.manifest, created=utc_now())


# Names


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "a/../x",
        "/x",
        "a//x",
        "a/",
        "",
        ".",
        "a\\x",
        "C:/x",
        "C:x",
        "a\0b",
        "a\nb",
        "nul",
        "a/COM1.txt",
        "x.",
        "x ",
    ],
)
def test_unsafe_names(name: str) -> None:
    assert unsafe_names([name])


def test_names_that_clash() -> None:
    assert unsafe_names(["a", "b/c", "b/d", "ä/Data/com.apple.CoreML/weights/weight.bin"]) == ""
    assert unsafe_names(["a/B", "a/b"]) == "'a/b' and 'a/B' are alike"
    assert unsafe_names(["\u00e4", "a\u0308"])
    assert unsafe_names(["a", "a"]) == "'a' is there twice"
    assert unsafe_names(["a", "A/b"]) == "'A/b' is both a file and a folder"
    assert unsafe_names(["a/b/c", "a/b"]) == "'a/b' is both a file and a folder"


# Existing outputs


@pytest.mark.parametrize("unpacked", [False, True])
def test_existing_bundle_needs_force(parts: Parts, tmp_path: Path, unpacked: bool) -> None:
    path = written(parts, tmp_path / "model.edge", unpacked=unpacked)
    newer = Parts(replace(parts.manifest, seed=8), parts.files, parts.golden)
    with pytest.raises(InputError, match=r"it exists already.*--force"):
        written(newer, path, unpacked=unpacked)
    assert Bundle.open(path).manifest.seed == 7
    written(newer, path, unpacked=unpacked, force=True)
    assert Bundle.open(path).manifest.seed == 8
    with pytest.raises(InputError, match="not what would be written"):
        written(newer, path, unpacked=not unpacked, force=True)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["model.edge", "work"]


def test_force_replaces_only_bundles(parts: Parts, tmp_path: Path) -> None:
    model, folder = tmp_path / "model.pt", tmp_path / "folder"
    model.write_bytes(b"years of training")
    folder.mkdir()
    (folder / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="no bundle, and --force replaces only bundles"):
        written(parts, model, force=True)
    with pytest.raises(InputError, match="no whole bundle"):
        written(parts, folder, force=True, unpacked=True)
    bundle = written(parts, tmp_path / "model.edge", unpacked=True)
    (bundle / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        written(parts, bundle, force=True, unpacked=True)
    assert (model.read_bytes(), (folder / "thesis.tex").exists()) == (b"years of training", True)
    assert (bundle / "notes.txt").exists()
    truncated = tmp_path / "truncated.edge"
    truncated.write_bytes(written(parts, tmp_path / "whole.edge").read_bytes()[:500])
    Bundle.open(written(parts, truncated, force=True)).verify_files()


def test_through_a_link_the_bundle_behind_it_is_written(parts: Parts, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link.edge"
    link.symlink_to(tmp_path / "elsewhere" / "model.edge")
    written(parts, link)
    written(parts, link, force=True)
    assert link.is_symlink()
    assert Bundle.open(tmp_path / "elsewhere" / "model.edge")


def test_places_that_take_no_bundle(parts: Parts, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for output in (file / "model.edge", tmp_path / "none" / "model.edge", tmp_path, Path("/dev/null")):
        with pytest.raises(InputError):
            check_output(output)
        with pytest.raises(InputError):
            written(parts, output, force=output != tmp_path)
    assert check_output(tmp_path / "model.edge") is None
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "work"]


# Golden samples


def recorded(tmp_path: Path, inputs: list[dict[str, np.ndarray]], outputs: list[dict[str, np.ndarray]]) -> list:
    from edgekit.bundle.archive import Span

    path = tmp_path / "golden.npz"
    write_golden(path, inputs, outputs)
    content = path.read_bytes()
    return read_golden("read golden", Span(path, 0, len(content)), memoryview(content))


ARRAYS = st.sampled_from(
    [
        np.float32(3),
        np.zeros((0, 3), np.float16),
        np.arange(6, dtype=np.int64).reshape(2, 3).T,
        np.arange(3, dtype=">f8"),
        np.array([True, False]),
        np.array(["a", "žluťoučký"]),
        np.array("", dtype=np.str_),
        np.full((2, 2), np.nan, np.float64),
    ]
)
NAMES = st.text(max_size=12) | st.sampled_from(
    ["..", "a/b", "a", "a.npy", "A", "../../x", "/etc/x", "%2E", "file", "a\0b"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(
    inputs=st.dictionaries(NAMES, ARRAYS, max_size=4),
    outputs=st.dictionaries(NAMES, ARRAYS, min_size=1, max_size=4),
    runs=st.integers(1, 3),
)
def test_golden_keeps_any_names_and_arrays(tmp_path: Path, inputs: dict, outputs: dict, runs: int) -> None:
    inputs, outputs = ({name: np.asarray(array) for name, array in side.items()} for side in (inputs, outputs))
    read = recorded(tmp_path, [inputs] * runs, [outputs] * runs)
    assert len(read) == runs
    for run in read:
        for side, wanted in zip(run, (inputs, outputs), strict=True):
            assert side.keys() == wanted.keys()
            for name, array in wanted.items():
                np.testing.assert_array_equal(side[name], array)
                assert (side[name].shape, dtype_name(side[name])) == (array.shape, dtype_name(array))
                assert isinstance(side[name], np.ndarray)
                assert side[name].flags.writeable


def test_golden_is_an_npz(tmp_path: Path) -> None:
    recorded(tmp_path, [{"a.b": np.arange(2)}], [{"y": np.array([["é"]], object)}])
    with np.load(tmp_path / "golden.npz", allow_pickle=False) as arrays:
        assert sorted(arrays) == ["input/a%2Eb", "output/y"]
        assert arrays["input/a%2Eb"].tolist() == [[0, 1]]
        assert arrays["output/y"].tolist() == [[["é"]]]


def test_golden_strings_of_any_kind(tmp_path: Path) -> None:
    given = [{"a": np.array(["x", "lang"], object), "b": np.array(["ü".encode()], object), "c": np.array([b"z"])}]
    read = recorded(tmp_path, given, [{}])
    assert {name: array.tolist() for name, array in read[0][0].items()} == {"a": ["x", "lang"], "b": ["ü"], "c": ["z"]}
    assert read[0][1] == {}


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ([], "0 inputs and 1 outputs"),
        ([{"x": np.zeros(2)}, {"x": np.zeros(3)}], r"the runs differ: float64\[2\] and float64\[3\]"),
        ([{"x": np.zeros(2)}, {"z": np.zeros(2)}], "differ in the names of their inputs"),
        ([{"x": np.zeros(2, complex)}], "dtype complex128"),
        ([{"x": np.array([1, "a"], object)}], "a int among strings"),
        ([{"x": np.array(["a\0"], object)}], "ends in NUL"),
        ([{"x": np.array([b"\xff"])}], "not UTF-8"),
        ([{"\ud800": np.zeros(2)}], "not Unicode text"),
    ],
)
def test_golden_refuses(tmp_path: Path, inputs: list[dict[str, np.ndarray]], why: str) -> None:
    with pytest.raises(InputError, match=why):
        write_golden(tmp_path / "golden.npz", inputs, [{}] * max(len(inputs), 1))


def test_without_golden_samples(parts: Parts, tmp_path: Path) -> None:
    none = replace(parts.manifest, samples={**parts.manifest.samples, "golden": 0})
    assert Bundle.open(write_bundle(tmp_path / "model.edge", none, parts.files)).golden() == []
    with pytest.raises(InputError, match="counts other golden samples"):
        write_bundle(tmp_path / "other.edge", parts.manifest, parts.files)


def test_golden_that_is_not_the_signatures(parts: Parts, tmp_path: Path) -> None:
    write_golden(parts.golden, [{"other": np.zeros(2)}] * 2, [{}] * 2)
    with pytest.raises(BundleError, match="not those that the manifest describes"):
        Bundle.open(written(parts, tmp_path / "model.edge")).golden()


# Signatures


def test_signature(parts: Parts, tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

    def pems(key: ed25519.Ed25519PrivateKey | x25519.X25519PrivateKey) -> tuple[bytes, bytes]:
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return private, public

    mine, other = pems(ed25519.Ed25519PrivateKey.generate()), pems(ed25519.Ed25519PrivateKey.generate())
    wrong = pems(x25519.X25519PrivateKey.generate())
    path = written(parts, tmp_path / "model.edge")
    assert check_signature(Bundle.open(path), mine[1]).status == "not signed"
    assert sign(path, mine[0]) == tmp_path / "model.edge.sig"
    assert check_signature(Bundle.open(path), mine[1])
    assert check_signature(Bundle.open(path), other[1]).status == "invalid"
    for bad in (wrong, (b"no key", b"no key")):
        with pytest.raises(InputError):
            sign(path, bad[0])
        with pytest.raises(InputError):
            check_signature(Bundle.open(path), bad[1])
    written(Parts(replace(parts.manifest, seed=8), parts.files, parts.golden), path, force=True)
    assert check_signature(Bundle.open(path), mine[1]).status == "invalid"
    for text in (
        b"",
        b"[]",
        b'{"schema": 1, "algorithm": "ed25519", "signature": "zz"}',
        b'{"schema": 2, "algorithm": "x"}',
    ):
        (tmp_path / "model.edge.sig").write_bytes(text)
        assert check_signature(Bundle.open(path), mine[1]).status == "invalid"


def test_signature_without_cryptography_is_not_checked(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(parts, tmp_path / "model.edge")
    (tmp_path / "model.edge.sig").write_text("{}")
    for name in [name for name in sys.modules if name.startswith("cryptography")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    result = check_signature(Bundle.open(path), b"")
    assert (result.status, bool(result)) == ("not checked", False)
    with pytest.raises(Exception, match=r"edgekit\[sign\]"):
        sign(path, b"")


def test_the_bundle_needs_numpy_only() -> None:
    # What a device has: the standard library, numpy, edgekit.
    code = (
        "import sys; import edgekit.bundle; "
        "third = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names); "
        "print(sorted(name for name in third if not name.startswith('_')))"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd=root
    )
    loaded = set(json.loads(done.stdout.replace("'", '"')))
    assert {"edgekit", "numpy"} <= loaded
    assert not loaded & {"typer", "rich", "onnx", "onnxruntime", "torch", "tensorflow", "cryptography", "PIL"}
