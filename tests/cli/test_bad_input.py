"""Everything that can be asked wrongly: the right exit code, one clear line, and nothing left behind."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from command import Answer, edgekit


@dataclass(frozen=True)
class Case:
    """One wrong command: ``{m}`` is the folder of model files, ``{k}`` Keras's; it runs in an empty folder."""

    command: str
    code: int
    says: tuple[str, ...]
    before: Callable[[Path, Path], object] | None = None
    env: tuple[tuple[str, str | None], ...] = ()


def cut(name: str, kept: float) -> Callable[[Path, Path], object]:
    """Puts the first part of a model file into the case's folder."""

    def write(models: Path, folder: Path) -> None:
        content = (models / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * kept)])

    return write


def empty(name: str) -> Callable[[Path, Path], object]:
    return lambda _, folder: (folder / name).touch()


def text(name: str, content: str) -> Callable[[Path, Path], object]:
    return lambda _, folder: (folder / name).write_text(content, encoding="utf-8")


def fifo(name: str) -> Callable[[Path, Path], object]:
    return lambda _, folder: os.mkfifo(folder / name)


def package(_: Path, folder: Path) -> None:
    """A Core ML package whose model file is cut short."""
    inside = folder / "net.mlpackage" / "Data" / "com.apple.CoreML"
    inside.mkdir(parents=True)
    (inside / "model.mlmodel").write_bytes(b"\x08\x08\x12\xff")


def pictures(_: Path, folder: Path) -> None:
    # A picture's name is enough: without a contract none is opened.
    (folder / "photos").mkdir()
    (folder / "photos" / "cat.png").touch()


TARGETS = ("onnx, tflite, coreml",)
RANDOM = "--input-shape x=1,4"
CASES = {
    # Model files
    "missing file": Case("convert no.pt2", 2, ("load no.pt2", "no such file", "check the path")),
    "unknown suffix": Case(
        "convert net.dat", 2, ("net.dat", "unknown kind of file '.dat'", ".keras"), text("net.dat", "x")
    ),
    "folder": Case("convert {m}", 2, ("not a SavedModel", "saved_model.pb")),
    "device": Case("convert /dev/null", 2, ("load /dev/null",)),
    "name too long": Case(f"convert {'n' * 300}.onnx -o net.edge", 2, ("nnn.onnx", "long")),
    "fifo": Case("convert net.onnx", 2, ("load net.onnx",), fifo("net.onnx")),
    "empty onnx": Case("convert net.onnx", 2, ("load net.onnx",), empty("net.onnx")),
    "empty tflite": Case("convert net.tflite --to tflite", 2, ("load net.tflite",), empty("net.tflite")),
    "cut pt2": Case("convert net.pt2", 2, ("load net.pt2", "torch.export.save"), cut("net.pt2", 0.6)),
    "cut TorchScript": Case("convert script.pt --samples {m}/good.npz", 2, ("load script.pt",), cut("script.pt", 0.7)),
    "cut onnx": Case("convert net.onnx", 2, ("load net.onnx",), cut("net.onnx", 0.7)),
    "cut joblib": Case(
        "convert fitted.joblib --trust", 2, ("load fitted.joblib", "truncated"), cut("fitted.joblib", 0.6)
    ),
    "cut skops": Case("convert fitted.skops", 2, ("load fitted.skops", "truncated"), cut("fitted.skops", 0.6)),
    "cut mlpackage": Case("convert net.mlpackage --to coreml", 2, ("load net.mlpackage",), package),
    "state dict without a factory": Case(
        "convert {m}/state.pt", 2, ("a state dict holds weights", "--weights state.pt")
    ),
    "pickled module without trust": Case("convert {m}/pickled.pt", 2, ("unpickling runs code", "--trust")),
    "pickled estimator without trust": Case(
        "convert {m}/fitted.joblib", 2, ("unpickling runs code", "--trust", "skops")
    ),
    "unsupported operator": Case("convert {m}/odd.pt2", 4, ("kthvalue", "layer strange")),
    "a bundle is no model": Case("convert net.edge -o new.edge", 2, ("unknown kind of file",), text("net.edge", "x")),
    # Factories
    "no such module": Case("convert nowhere:build", 2, ("no module named 'nowhere'", "check the name")),
    "no such factory": Case("convert plain:biuld", 2, ("no callable 'biuld'", "quits")),
    "factory raises": Case("convert plain:raises", 2, ("raises() raised ValueError", "no [red]weights[/] today")),
    "factory quits": Case(f"convert plain:quits {RANDOM}", 2, ("quits() raised SystemExit",)),
    "factory gives nothing": Case("convert plain:nothing", 2, ("NoneType", "torch")),
    "weights missing": Case("convert factories:build --weights w.pt", 2, ("no such file",)),
    "weights for a file": Case("convert {m}/net.pt2 --weights {m}/state.pt", 2, ("holds its own weights", "--weights")),
    # Shapes
    "no shape": Case("convert factories:build", 2, ("does not say its shape", "--input-shape x=")),
    "shape without name": Case("convert factories:build --input-shape 1,4", 2, ("--input-shape 1,4", "NAME=SIZES")),
    "shape of nothing": Case("convert factories:build --input-shape =1,4", 2, ("NAME=SIZES",)),
    "shape not numbers": Case("convert factories:build --input-shape x=1,four", 2, ("NAME=SIZES", "x=1,3,224,224")),
    "shape twice": Case(f"convert factories:build {RANDOM} {RANDOM}", 2, ("x has a shape already",)),
    "shape negative": Case(
        "convert factories:build --input-shape x=-1,4", 2, ("sizes are positive", "--dynamic batch")
    ),
    "shape of unknown dtype": Case("convert factories:build --input-shape x=f4:1,4", 2, ("f4", "float32")),
    "shape of unknown input": Case(
        "convert factories:build --input-shape [red]=1,4", 2, ("'[red]'", "the model takes x")
    ),
    "shape enormous": Case("convert {m}/net.onnx --input-shape x=1,999999999999", 2, ("x=1,999999999999", "1,4")),
    # Targets, schemes and numbers
    "unknown target": Case("convert {m}/net.pt2 --to onnx,tensorrt", 2, ("'tensorrt'", *TARGETS)),
    "no target": Case("convert {m}/net.pt2 --to ,", 2, ("no target", *TARGETS)),
    "no route": Case("convert {m}/net.onnx --to tflite", 2, ("onnx to tflite", "no such route", "onnx")),
    "unknown scheme": Case("convert {m}/net.pt2 --quantize int3", 2, ("'int3'", "float16")),
    "nothing but float32, and that left out": Case("convert {m}/net.pt2 --only", 2, ("--only", "--quantize float16")),
    "unknown layout": Case("convert {m}/net.pt2 --layout nchw", 2, ("'nchw'", "nhwc")),
    "unknown dynamic dimension": Case("convert {m}/net.pt2 --dynamic width", 2, ("'width'", "batch")),
    "unknown option": Case("convert {m}/net.pt2 --qantize int8", 2, ("--qantize", "edgekit convert --help")),
    "unknown command": Case("convrt {m}/net.pt2", 2, ("convrt", "edgekit --help")),
    "no model": Case("convert", 2, ("MODEL", "edgekit convert --help")),
    "too many models": Case("convert a.pt2 b.pt2", 2, ("b.pt2", "edgekit convert --help")),
    "tolerance without number": Case("convert {m}/net.pt2 --tolerance sqnr_db", 2, ("sqnr_db", "METRIC=NUMBER")),
    "tolerance of unknown metric": Case("convert {m}/net.pt2 --tolerance psnr=3", 2, ("psnr", "sqnr_db")),
    "tolerance NaN": Case("convert {m}/net.pt2 --tolerance sqnr_db=nan", 2, ("out of range",)),
    "tolerance negative": Case("verify no.edge --tolerance sqnr_db=-1", 2, ("sqnr_db=-1", "out of range")),
    "threads none": Case("convert {m}/net.pt2 --threads 0", 2, ("--threads", "1")),
    "seed negative": Case("convert {m}/net.pt2 --seed -1", 2, ("--seed", "0")),
    "seed no number": Case("convert {m}/net.pt2 --seed x", 2, ("--seed", "integer")),
    "timeout none": Case("convert {m}/net.pt2 --timeout 0", 2, ("--timeout 0", "seconds")),
    "timeout NaN": Case("convert {m}/net.pt2 --timeout nan", 2, ("--timeout nan", "seconds")),
    # Samples
    "samples missing": Case("convert {m}/net.onnx --samples no.npz", 2, ("samples no.npz", "no such file")),
    "samples named otherwise": Case("convert {m}/net.onnx --samples {m}/names.npz", 2, ("image", "the model takes x")),
    "samples shaped otherwise": Case("convert {m}/net.onnx --samples {m}/shapes.npz", 2, ("[5, 7]", "float32[1, 4]")),
    "samples of text": Case("convert {m}/net.onnx --samples {m}/dtypes.npz", 2, ("input 'x'", "float32")),
    "samples with NaN": Case("convert {m}/net.onnx --samples {m}/nan.npz", 2, ("not finite", "[1, 2]", "NaN")),
    "samples none": Case("convert {m}/net.onnx --samples {m}/none.npz", 2, ("there are no samples",)),
    "samples cut": Case("convert {m}/net.onnx --samples good.npz", 2, ("good.npz", "damaged"), cut("good.npz", 0.5)),
    "pictures without a contract": Case("convert {m}/net.onnx --samples photos", 2, ("--preprocess",), pictures),
    # Contracts
    "contract missing": Case("convert {m}/net.onnx --preprocess no.toml", 2, ("no.toml", "no such file")),
    "contract no TOML": Case(
        "convert {m}/net.onnx --preprocess c.toml", 2, ("c.toml", "TOML"), text("c.toml", "size = [")
    ),
    "contract unknown key": Case("convert {m}/net.onnx --preprocess c.toml", 2, ("sise",), text("c.toml", "sise = 3")),
    "contract a device": Case("convert {m}/net.onnx --preprocess /dev/zero", 2, ("/dev/zero", "no plain file")),
    # Outputs
    "output in no folder": Case("convert {m}/net.onnx -o no/net.edge", 2, ("no folder no", "make it")),
    "output below a file": Case("convert {m}/net.onnx -o {m}/net.onnx/x.edge", 2, ("net.onnx/x.edge", "no folder")),
    "output a model file": Case("convert {m}/net.onnx -o new.onnx", 2, ("a bundle is written", "model.edge")),
    "output a folder": Case("convert {m}/net.onnx -o .", 2, ("write .",)),
    "output there": Case("convert {m}/net.onnx -o factories.py", 2, ("exists already", "--force")),
    "output no bundle": Case("convert {m}/net.onnx -o factories.py --force", 2, ("factories.py",)),
    "output name too long": Case(f"convert {{m}}/net.onnx -o {'n' * 300}.edge", 2, ("nnn.edge", "long")),
    "report in no folder": Case("convert {m}/net.onnx --report no/r.html", 2, ("no folder no",)),
    "report there": Case("convert {m}/net.onnx --report factories.py", 2, ("exists already", "--force")),
    "report over the bundle": Case("convert {m}/net.onnx -o a.edge --report a.edge", 2, ("the bundle's name",)),
    "report a device": Case("convert {m}/net.onnx --report /dev/null --force", 2, ("a device or a pipe",)),
    # Other commands
    "inspect missing": Case("inspect no.edge", 2, ("no.edge", "No such file")),
    "inspect missing model file": Case("inspect no.onnx", 2, ("no.onnx", "no such model file")),
    "inspect a text": Case(
        "inspect net.edge", 2, ("open net.edge", "not a whole zip file"), text("net.edge", "x" * 99)
    ),
    "inspect a device": Case("inspect /dev/null", 2, ("/dev/null",)),
    "inspect a fifo": Case("inspect net.onnx", 2, ("net.onnx",), fifo("net.onnx")),
    "inspect a folder": Case("inspect {m}", 2, ("manifest.json",)),
    "inspect a cut model": Case("inspect net.onnx", 4, ("Protobuf parsing failed",), cut("net.onnx", 0.7)),
    "inspect report of a model": Case("inspect {m}/net.onnx --report r.html", 2, ("no verdicts", "edgekit convert")),
    "run without samples": Case("run {m}/net.onnx", 2, ("--samples", "edgekit run --help")),
    "run on wrong samples": Case("run {m}/net.onnx -s {m}/names.npz", 2, ("image", "the model takes x")),
    "run a fifo": Case("run net.onnx -s {m}/good.npz", 2, ("net.onnx",), fifo("net.onnx")),
    "run output there": Case("run {m}/net.onnx -s {m}/good.npz -o {m}/good.npz", 2, ("exists already", "--force")),
    "run output of another kind": Case("run {m}/net.onnx -s {m}/good.npz -o answers.csv", 2, (".npz", "answers.npz")),
    "run target of a model file": Case("run {m}/net.onnx -s {m}/good.npz --target tflite", 2, ("it is a model file",)),
    "verify a model file alone": Case("verify {m}/net.onnx", 2, ("no recorded outputs", "--against")),
    "verify a missing model file": Case("verify no.onnx --against {m}/net.pt2", 2, ("no.onnx", "no such model file")),
    "verify with useless samples": Case("verify {m}/net.onnx --samples {m}/good.npz", 2, ("--samples", "--against")),
    "device unknown": Case("devices show raspberry-5", 2, ("raspberry-5", "raspberry-pi-5", "edgekit devices list")),
    # Names that could be mistaken for markup, or for orders to the terminal
    "markup in a path": Case("convert [red]a[/].onnx", 2, ("load [red]a[/].onnx:",)),
    "emoji in a path": Case("convert :warning:.onnx", 2, ("load :warning:.onnx:",)),
    "accents in a path": Case("convert modèle-模型.onnx", 2, ("load modèle-模型.onnx:",)),
    "accents on an ASCII terminal": Case(
        "convert modèle.onnx", 2, ("load modèle.onnx:",), env=(("PYTHONIOENCODING", "ascii"), ("LC_ALL", "C"))
    ),
    "narrow terminal": Case("convert no.onnx", 2, ("no such file", "package.module:factory"), env=(("COLUMNS", "40"),)),
    # Broken surroundings
    "broken project": Case("routes", 2, ("pyproject.toml", "TOML"), text("pyproject.toml", "[tool.edgekit")),
}
KERAS_CASES = {
    "cut keras": Case("convert net.keras", 2, ("load net.keras",), cut("net.keras", 0.6)),
    "cut h5": Case("convert net.h5", 2, ("load net.h5",), cut("net.h5", 0.6)),
    "custom layer": Case("convert {m}/custom.keras", 2, ("load", "custom.keras", "Scale")),
    "cut tflite": Case("convert net.tflite --to tflite", 2, ("load net.tflite",), cut("net.tflite", 0.6)),
    "run a cut tflite": Case("run net.tflite -s {m}/none.npz", 4, ("TFLite",), cut("net.tflite", 0.6)),
}


Answers = dict[str, Future[Answer]]


def answers(request: pytest.FixtureRequest, cases: dict[str, Case], models: Path, folders: Path) -> Answers:
    """The answers to the cases that this session runs, several at a time: a worker's imports take seconds."""
    wanted = {item.callspec.params.get("name") for item in request.session.items if hasattr(item, "callspec")}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return {
            name: pool.submit(attack, case, models, folders / re.sub(r"\W", "-", name))
            for name, case in cases.items()
            if name in wanted
        }


def attack(case: Case, models: Path, folder: Path) -> Answer:
    folder.mkdir()
    for source in models.glob("*.py"):
        shutil.copy(source, folder)
    if case.before is not None:
        case.before(models, folder)
    before = contents(folder)
    words = [word.replace("{m}", str(models)) for word in case.command.split(" ")]
    answer = edgekit(*words, cwd=folder, env=dict(case.env), timeout=60)
    left = {name for name in contents(folder) - before if "__pycache__" not in name}
    # What failed in a converter keeps its log; what was asked wrongly leaves nothing.
    if case.code != 4:
        assert not left, f"left behind: {left}"
    assert not any(name.endswith((".edge", ".tmp", ".part")) for name in left), f"half-written: {left}"
    return answer


def contents(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def bad(request: pytest.FixtureRequest, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    before = {path: path.stat().st_mtime_ns for path in models.iterdir() if path.is_file()}
    found = answers(request, CASES, models, tmp_path_factory.mktemp("bad"))
    assert {path: path.stat().st_mtime_ns for path in models.iterdir() if path.is_file()} == before
    return found


@pytest.fixture(scope="module")
def bad_keras(request: pytest.FixtureRequest, keras_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Answers:
    return answers(request, KERAS_CASES, keras_models, tmp_path_factory.mktemp("bad-keras"))


def check(case: Case, answer: Answer) -> None:
    line = answer.error
    assert answer.code == case.code, answer.err
    assert answer.out == ""
    assert [part for part in case.says if part not in line] == [], line
    # What was asked: why not; what to do next.
    assert re.fullmatch(r"error: .+: .+; .+", line), line


@pytest.mark.parametrize("name", CASES)
def test_wrong_question_gets_one_clear_line(name: str, bad: Answers) -> None:
    check(CASES[name], bad[name].result())


@pytest.mark.parametrize("name", KERAS_CASES)
def test_wrong_keras_or_tflite_file_gets_one_clear_line(name: str, bad_keras: Answers) -> None:
    check(KERAS_CASES[name], bad_keras[name].result())


def test_bundle_with_a_changed_byte_is_refused_by_every_command(bundle: Path, models: Path) -> None:
    content = bytearray(bundle.read_bytes())
    weights = content.index(bytes.fromhex("000080bf"))  # the model's first weight, -1
    content[weights] ^= 1
    bundle.write_bytes(content)
    for command in (["inspect"], ["verify"], ["run", "--samples", models / "good.npz"]):
        answer = edgekit(*command, bundle, cwd=bundle.parent)
        assert answer.code == 2
        assert "onnx/float32.onnx" in answer.error
        assert "the content is not what the manifest says" in answer.error
        assert "copy the bundle again" in answer.error
    assert contents(bundle.parent) == {"net.edge"}


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt", "onnx/../../outside.txt", "C:\\outside.txt"])
def test_bundle_with_a_name_that_leads_out_is_refused(name: str, bundle: Path) -> None:
    with zipfile.ZipFile(bundle, "a") as archive:
        archive.writestr(name, "gotcha")
    answer = edgekit("inspect", bundle, cwd=bundle.parent)
    assert answer.code == 2
    assert "outside.txt" in answer.error
    assert "do not use it" in answer.error
    assert contents(bundle.parent.parent) >= {f"{bundle.parent.name}/net.edge"}
    assert not list(bundle.parent.parent.rglob("outside.txt"))


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_truncated_bundle_is_refused(kept: float, bundle: Path) -> None:
    content = bundle.read_bytes()
    bundle.write_bytes(content[: int(len(content) * kept)])
    answer = edgekit("verify", bundle, cwd=bundle.parent)
    assert answer.code == 2
    assert "copy the bundle again" in answer.error


def test_existing_bundle_is_not_replaced_without_force(bundle: Path, models: Path) -> None:
    before = bundle.read_bytes()
    answer = edgekit("convert", models / "net.onnx", "-o", "net.edge", cwd=bundle.parent)
    assert answer.code == 2
    assert "--force" in answer.error
    assert bundle.read_bytes() == before


@contextlib.contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """A file system of its own on a folder, where we may mount one."""
    folder.mkdir()
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("needs a mount: Linux, and root")
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_read_only_folder(models: Path, tmp_path: Path) -> None:
    with mounted(tmp_path / "read-only", "-t", "tmpfs", "-o", "ro", "none"):
        answer = edgekit("convert", models / "net.onnx", "-o", "read-only/net.edge", cwd=tmp_path)
        named = edgekit("run", models / "net.onnx", "-s", models / "good.npz", "-o", "read-only/y.npz", cwd=tmp_path)
        # Without -o the bundle goes to the working folder.
        inside = edgekit("convert", models / "net.onnx", cwd=tmp_path / "read-only")
    assert (answer.code, named.code, inside.code) == (2, 2, 2)
    assert "write read-only/net.edge: Read-only file system; choose another" in answer.error
    assert "not writable" in named.error
    assert "write net.edge: Read-only file system" in inside.error


@pytest.mark.parametrize("room", ["4k", "16k", "24k"])
def test_full_disk(room: str, models: Path, tmp_path: Path) -> None:
    full = tmp_path / "full"
    with mounted(full, "-t", "tmpfs", "-o", f"size={room}", "none"):
        answer = edgekit("convert", models / "net.onnx", "-o", "full/net.edge", cwd=tmp_path)
        left = contents(full)
    assert answer.code == 4
    assert "o space left on" in answer.error
    assert left == set()


def test_full_disk_under_the_answers(models: Path, tmp_path: Path) -> None:
    full = tmp_path / "full"
    with mounted(full, "-t", "tmpfs", "-o", "size=4k", "none"):
        (full / "room").write_bytes(bytes(4096))
        answer = edgekit("run", models / "net.onnx", "-s", models / "good.npz", "-o", "full/y.npz", cwd=tmp_path)
        left = contents(full)
    assert answer.code == 4
    assert "write full/y.npz: No space left on device" in answer.error
    assert left == {"room"}


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_folder_of_somebody_else(models: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "theirs").mkdir(mode=0o555)
    answer = edgekit("convert", models / "net.onnx", "-o", "theirs/net.edge", cwd=tmp_path)
    assert answer.code == 2
    assert "theirs/net.edge" in answer.error


def test_verify_of_another_model_than_the_bundles(bundle: Path, models: Path, tmp_path: Path) -> None:
    answer = edgekit("verify", bundle, "--against", models / "fitted.skops", cwd=tmp_path)
    assert answer.code == 2
    assert "the bundle was made from" in answer.error


def test_name_with_a_newline_stays_on_one_line(tmp_path: Path) -> None:
    answer = edgekit("convert", "a\nb\x1b[31m.onnx", cwd=tmp_path)
    assert answer.code == 2
    assert answer.error.startswith("error: load a b")
    assert "\x1b" not in answer.err


def test_failed_conversion_keeps_its_log_and_nothing_else(models: Path, tmp_path: Path) -> None:
    answer = edgekit("convert", models / "odd.pt2", "--json", cwd=tmp_path)
    assert answer.code == 4
    logs = [line.removeprefix("       log: ") for line in answer.err.splitlines() if "log: " in line]
    left = {name.partition("/")[2] for name in contents(tmp_path)} - {""}
    assert all((tmp_path / log).stat().st_size > 0 for log in logs)
    assert {name for name in left if not name.startswith("logs")} == set()
