"""Reading a package: what is imported, how fast, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from handmade import program_of, save_program

from edgekit.coreml_reference import open_model
from edgekit.coreml_reference.package import read_package
from edgekit.coreml_reference.schema import NEWEST_SPECIFICATION
from edgekit.errors import EdgekitError, InputError, UnsupportedError

MODEL = Path("Data/com.apple.CoreML/model.mlmodel")
WEIGHTS = Path("Data/com.apple.CoreML/weights/weight.bin")
FRAMEWORKS = {"coremltools", "tensorflow", "sklearn", "xgboost", "torch", "onnx", "PIL", "scipy"}


def refusal(path: Path, kind: type[EdgekitError] = InputError) -> str:
    """The one message with which a path is refused, its parts complete."""
    with pytest.raises(kind) as caught:
        open_model(path)
    assert caught.value.asked
    assert caught.value.why
    assert caught.value.next_step or kind is UnsupportedError
    return str(caught.value)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return save_program(program_of(), tmp_path / "m.mlpackage")


def test_reading_imports_no_framework(package: Path) -> None:
    """Opening a program, kernels and all; torch comes when a kernel that needs it runs."""
    code = f"""
import json, pathlib, sys
import edgekit.coreml_reference
at_import = sorted(sys.modules)
edgekit.coreml_reference.open_model(pathlib.Path({str(package)!r}))
print(json.dumps([at_import, sorted(sys.modules)]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    at_import, opened = json.loads(done.stdout)
    assert not FRAMEWORKS.intersection(at_import)
    assert "google.protobuf" not in at_import
    assert not FRAMEWORKS.intersection(opened)


def test_a_package_of_50_megabytes_opens_in_half_a_second(tmp_path: Path) -> None:
    path = save_program(program_of(weights=13_000_000), tmp_path / "m.mlpackage")
    assert (path / WEIGHTS).stat().st_size > 50e6
    open_model(path)
    # Processor time: other tests may run beside this one.
    took = []
    for _ in range(3):
        started = time.process_time()
        open_model(path)
        took.append(time.process_time() - started)
    assert min(took) < 0.5


def test_a_missing_path_and_an_empty_file(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "absent.mlpackage")
    (tmp_path / "empty.mlmodel").write_bytes(b"")
    assert "holds no Core ML model" in refusal(tmp_path / "empty.mlmodel")
    (tmp_path / "text.mlmodel").write_text("<html>not found</html>")
    assert "text.mlmodel is damaged" in refusal(tmp_path / "text.mlmodel")


def test_a_folder_without_anything_and_a_compiled_model(tmp_path: Path) -> None:
    (tmp_path / "m.mlpackage").mkdir()
    assert "it has no Manifest.json; copy the whole package again" in refusal(tmp_path / "m.mlpackage")
    (tmp_path / "m.mlmodelc").mkdir()
    (tmp_path / "m.mlmodelc" / "coremldata.bin").write_bytes(b"\0")
    assert "it is compiled (.mlmodelc)" in refusal(tmp_path / "m.mlmodelc")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ("{}", "damaged"),
        ("[" * 100_000, "damaged"),
        ('{"rootModelIdentifier": "a"}', "damaged"),
        ('{"rootModelIdentifier": ["a"], "itemInfoEntries": {}}', "damaged"),
        ('{"rootModelIdentifier": "a", "itemInfoEntries": {"b": {"path": "x"}}}', "damaged"),
        ('{"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": 3}}}', "damaged"),
        ('{"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": "absent"}}}', "absent is missing"),
        ('{"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": "."}}}', "is missing"),
        ('{"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": "../../m.mlmodel"}}}', "outside the package"),
        ('{"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": "/etc/passwd"}}}', "outside the package"),
        ('{"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": "a\\u0000b"}}}', "outside the package"),
        (
            '{"rootModelIdentifier": "a", "itemInfoEntries": {"a": {"path": "%s"}}}' % ("x" * 5000),
            "outside the package",
        ),
    ],
)
def test_an_odd_manifest(package: Path, text: str, message: str) -> None:
    (package / "Manifest.json").write_text(text)
    assert message in refusal(package)


def test_a_manifest_that_is_no_text_or_a_folder(package: Path) -> None:
    (package / "Manifest.json").write_bytes(b"\xff\xfe{}")
    assert "damaged" in refusal(package)
    (package / "Manifest.json").unlink()
    (package / "Manifest.json").mkdir()
    assert "cannot read its Manifest.json" in refusal(package)


def test_a_link_out_of_the_package_is_not_followed(package: Path, tmp_path: Path) -> None:
    (package / MODEL).rename(tmp_path / "elsewhere.mlmodel")
    (package / MODEL).symlink_to(tmp_path / "elsewhere.mlmodel")
    assert "outside the package" in refusal(package)
    (package / MODEL).unlink()
    (tmp_path / "elsewhere.mlmodel").rename(package / MODEL)
    (package / WEIGHTS).rename(tmp_path / "weight.bin")
    (package / WEIGHTS).symlink_to(tmp_path / "weight.bin")
    assert "outside the package" in refusal(package)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("@model_path/../../Manifest.json", "points outside the package"),
        ("/etc/passwd", "lie beside their model"),
        ("weights/weight.bin", "lie beside their model"),
        ("@model_path/weights/other.bin", "the file is missing"),
        ("@model_path/weights", "the file is missing"),
        ("@model_path/a\0b", "points outside"),
        ("@model_path/" + "x" * 5000, "points outside"),
        ("@model_path/model.mlmodel", "version"),
    ],
)
def test_weights_that_lie_elsewhere(package: Path, name: str, message: str) -> None:
    model = read_package(package).model
    for operation in model.mlProgram.functions[0].value.block_specializations[0].value.operations:
        for attribute in operation.attributes:
            if attribute.value.WhichOneof("value") == "blobFileValue":
                attribute.value.blobFileValue.fileName = name
    (package / MODEL).write_bytes(model.SerializeToString())
    assert message in refusal(package)


def test_the_weights_are_missing(package: Path) -> None:
    (package / WEIGHTS).unlink()
    assert "the file is missing; copy the whole package again" in refusal(package)


def test_the_weights_are_cut_off_anywhere(package: Path) -> None:
    data = (package / WEIGHTS).read_bytes()
    for size in range(len(data)):
        (package / WEIGHTS).write_bytes(data[:size])
        assert "the file ends at" in refusal(package), size


def test_the_model_is_cut_off_anywhere(package: Path) -> None:
    data = (package / MODEL).read_bytes()
    for size in range(len(data)):
        (package / MODEL).write_bytes(data[:size])
        # A message that ends between two fields is complete: what is missing is found later.
        with pytest.raises(EdgekitError):
            open_model(package)


def test_a_newer_format(package: Path) -> None:
    model = read_package(package).model
    model.specificationVersion = NEWEST_SPECIFICATION + 1
    (package / MODEL).write_bytes(model.SerializeToString())
    message = refusal(package)
    assert f"specification version is {NEWEST_SPECIFICATION + 1}, the newest known here" in message
    assert "update edgekit" in message


def test_an_unknown_kind_of_model(tmp_path: Path) -> None:
    # Field 2999, a message without content, in a model of version 9.
    (tmp_path / "m.mlmodel").write_bytes(b"\x08\x09\xba\xbb\x01\x00")
    assert "its kind (field 2999) is unknown here; update edgekit" in refusal(tmp_path / "m.mlmodel")
    (tmp_path / "m.mlmodel").write_bytes(b"\x08\x09")
    assert "says no kind of model" in refusal(tmp_path / "m.mlmodel")


@pytest.mark.parametrize("kind", ["neuralNetwork", "neuralNetworkClassifier", "customModel", "wordTagger"])
def test_a_kind_that_is_not_covered_was_not_executed(package: Path, kind: str) -> None:
    model = read_package(package).model
    getattr(model, kind).SetInParent()
    (package / MODEL).write_bytes(model.SerializeToString())
    assert kind in refusal(package, UnsupportedError)
