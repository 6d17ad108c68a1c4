from __future__ import annotations

import base64
import builtins
import io
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit._report import numbers
from edgekit.bundle import Artifact, Binding, Manifest, measure, write_bundle, write_golden
from edgekit.errors import BundleError, InputError, MissingDependencyError, StorageError
from edgekit.report import Picture, Pictures, check_installed, write_report
from edgekit.signature import Signature, TensorSpec
from edgekit.verify import OutputVerdict, Tolerance, Verdict

HOSTILE = "<script>alert(1)</script>\"'&"
SIGNATURE = Signature((TensorSpec("image", "float32", (None, 2)),), (TensorSpec("scores", "float32", (None, 3)),))
NATIVE = Signature((TensorSpec("image", "float32", (2, None)),), (TensorSpec("out", "float32", (None, 3)),))
FLOAT32 = Tolerance(sqnr_db=90)
INT8 = Tolerance(sqnr_db=20, label_agreement=0.98)

PASSED = Verdict(
    True, "onnxruntime 1.32.0", 12, False, FLOAT32,
    {"scores": OutputVerdict(True, 124.3, 1 - 1e-13, 6.1e-7, 9e-10, 6.4e-7, 1.0, 2)},
)  # fmt: skip
FAILED = Verdict(
    False, "litert 2.3.0", 12, False, INT8,
    {"scores": OutputVerdict(False, 17.26, 0.9991, 0.5, 0.01, 0.25, 0.98765, 0, ("SQNR of 17.3 dB is below 20 dB",))},
)  # fmt: skip
UNKNOWN = Verdict.not_executed("no Core ML runtime here", FLOAT32)
IDENTICAL = Verdict(
    True, "litert 2.3.0", 12, False, FLOAT32, {"scores": OutputVerdict(True, math.inf, 1.0, 0.0, 0.0, 0.0)}
)


class Page(HTMLParser):
    """A page as a browser takes it apart: its elements, and the text outside style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"] and data.strip():
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(self.words).replace("\u00a0", " ")

    def rows(self, html: str) -> list[str]:
        """The text of each table row."""
        return [Page(row).text for row in re.findall("<tr>.*?</tr>", html, re.DOTALL)]


def artifact(target: str, scheme: str, path: Path, verdict: Verdict, call_ms: float | None) -> Artifact:
    name = f"{target}/{len(scheme)}.bin"
    digest = measure(path, Path(name).name)
    return Artifact(
        target=target, scheme=scheme, file=name, bytes=digest.bytes, sha256=digest.sha256, signature=NATIVE,
        inputs=(Binding("image", "image", (1, 0), "float32"),), outputs=(Binding("scores", "out", None, "float32"),),
        convert_seconds=1.5, call_ms=call_ms, verdict=verdict, runtimes={"runtime": "1.0"}, versions={"tool": "2.0"},
    )  # fmt: skip


def bundle(folder: Path, *artifacts: tuple[str, str, Verdict, float | None], **changes: Any) -> Path:
    work = folder / "work"
    work.mkdir()
    made, files = [], {}
    for index, (target, scheme, verdict, call_ms) in enumerate(artifacts):
        path = work / str(index)
        path.write_bytes(bytes(1000 * (index + 1)))
        made.append(artifact(target, scheme, path, verdict, call_ms))
        files[made[-1].file] = path
    write_golden(
        work / "golden.npz", [{"image": np.zeros((1, 2), np.float32)}], [{"scores": np.zeros((1, 3), np.float32)}]
    )
    manifest = Manifest(
        created="2026-01-31T12:34:56Z",
        edgekit="0.1.0",
        source={"framework": "torch", "file": "model.pt2", "sha256": "ab" * 32, "versions": {"torch": "2.13.0"}},
        signature=SIGNATURE,
        artifacts=tuple(made),
        samples={"count": 12, "synthetic": False, "origin": "photos", "golden": 1},
        preprocessing={"schema": 1, "mean": [127.0, 127.0, 127.0], "size": [224, 192], "fill": []},
        labels=("cat", "dog", "tench, Tinca tinca"),
        seed=7,
        notes=("the batch is fixed",),
    )
    return write_bundle(folder / "model.edge", replace(manifest, **changes), files, work / "golden.npz")


def report(path: Path, **options: Any) -> str:
    output = path.with_suffix(".html")
    write_report(path, output, **options)
    return output.read_text("utf-8")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    return bundle(
        tmp_path,
        ("onnx", "float32", PASSED, 27.1275),
        ("tflite", "int8", FAILED, 0.0692),
        ("coreml", "float32", UNKNOWN, None),
    )


def test_the_table_says_what_was_measured(mixed: Path) -> None:
    html = report(mixed)
    first, second, third = Page(html).rows(html)[1:4]
    assert first == (
        "onnx / float32 passed by onnxruntime 1.32.0 "
        "124.3 dB 6.1 × 10⁻⁷ 6.4 × 10⁻⁷ 100 % 2 near-ties 12 1.00 kB 27.1 ms"
    )
    assert second == "tflite / int8 FAILED by litert 2.3.0 17.3 dB 0.500 0.250 98.76 % 12 2.00 kB 69.2 µs"
    assert third == (
        "coreml / float32 not executed no Core ML runtime here "
        "Not compared with the original: its answers are not known. 3.00 kB not executed"
    )


def test_tolerances_used_and_passing(mixed: Path) -> None:
    html = report(mixed)
    rows = [row for row in Page(html).rows(html) if "≥" in row]
    assert rows == [
        "onnx / float32 passed ≥ 90 dB ≥ 124.3 dB – – – ≤ 6.43 × 10⁻⁷",
        "tflite / int8 FAILED ≥ 20 dB ≥ 17.2 dB ≥ 98 % ≥ 98.76 % – ≤ 0.251",
        "coreml / float32 not executed ≥ 90 dB not known – not known – not known",
    ]


def test_what_was_not_executed_never_looks_like_success(tmp_path: Path) -> None:
    html = report(bundle(tmp_path, ("coreml", "float32", UNKNOWN, None)))
    page = Page(html)
    classes = {name for _, attributes in page.elements for name in (attributes.get("class") or "").split()}
    assert "passed" not in classes
    assert "unknown" in classes
    assert "1 not executed" in page.text
    assert "No model file was executed here: how far they are from the original is not known." in page.text
    assert "Compared with the original" not in page.text


@pytest.mark.parametrize(
    ("verdicts", "sentence", "state"),
    [
        ([PASSED], "Every model file was executed here and keeps its tolerance.", "passed"),
        ([PASSED, FAILED], "1 of 2 model files was executed here and failed", "failed"),
        (
            [PASSED, IDENTICAL, UNKNOWN],
            "2 of 3 model files were executed here and keep their tolerance. 1 was not",
            "unknown",
        ),
        ([FAILED, UNKNOWN], "1 of 2 model files was executed here and failed", "failed"),
        ([], "The bundle holds no model file.", "unknown"),
    ],
)
def test_the_summary(tmp_path: Path, verdicts: list[Verdict], sentence: str, state: str) -> None:
    targets = ("onnx", "tflite", "coreml")
    made = [(targets[i], "float32", one, None if one.passed is None else 1.0) for i, one in enumerate(verdicts)]
    page = Page(report(bundle(tmp_path, *made)))
    assert sentence in page.text
    assert ("div", {"class": f"summary {state}"}) in page.elements


def test_random_samples_are_said_aloud(tmp_path: Path) -> None:
    samples = {"count": 12, "synthetic": True, "origin": "random, seed 7", "golden": 1}
    text = Page(
        report(bundle(tmp_path, ("onnx", "float32", replace(PASSED, synthetic_samples=True), 1.0), samples=samples))
    ).text
    assert "12 samples (random, seed 7)" in text
    assert "The samples were random" in text
    assert "The samples were random" not in Page(report(bundle_of_one(tmp_path / "other"))).text


def bundle_of_one(folder: Path) -> Path:
    folder.mkdir()
    return bundle(folder, ("onnx", "float32", PASSED, 1.0))


def test_hostile_text_is_text(tmp_path: Path) -> None:
    model = tmp_path / "model.bin"
    model.write_bytes(b"model")
    output = replace(FAILED.outputs["scores"], problems=(HOSTILE,))
    verdict = replace(FAILED, executed_by=HOSTILE, outputs={HOSTILE: output})
    hostile = replace(
        artifact("onnx", HOSTILE, model, verdict, 1.0),
        inputs=(Binding(HOSTILE, "image", (1, 0), "float32"),),
        versions={HOSTILE: HOSTILE},
        runtimes={HOSTILE: HOSTILE},
    )
    manifest = Manifest(
        created="2026-01-31T12:34:56Z",
        edgekit=HOSTILE,
        source={"framework": HOSTILE, "file": HOSTILE, "sha256": HOSTILE, "versions": {HOSTILE: HOSTILE}},
        signature=Signature((TensorSpec(HOSTILE, "float32", (None, 2)),), SIGNATURE.outputs),
        artifacts=(hostile,),
        samples={"count": 1, "synthetic": False, "origin": HOSTILE, "golden": 0},
        preprocessing={HOSTILE: HOSTILE},
        labels=(HOSTILE,),
        notes=(HOSTILE,),
    )
    made = write_bundle(tmp_path / "model.edge", manifest, {hostile.file: model})
    picture = Picture(HOSTILE, png(), "image/png", {HOSTILE: [(HOSTILE, 0.5)]})
    html = report(made, extra=[Pictures(HOSTILE, (picture,), HOSTILE)])
    page = Page(html)
    assert "<script" not in html
    assert page.text.count(HOSTILE) >= 20
    # Nothing broke out of an attribute: only attributes of ours are there.
    html_names = "alt aria-hidden charset class colspan content data-label http-equiv lang name scope src"
    svg_names = "height rx width x1 x2 y1 y2"
    known = {*html_names.split(), *svg_names.split()}
    assert {name for _, attributes in page.elements for name in attributes} <= known


def png() -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (4, 3), (255, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def test_nothing_is_loaded_from_elsewhere(mixed: Path) -> None:
    html = report(mixed, extra=[Pictures("What each says", (Picture("cat", png(), "image/png", {}),))])
    page = Page(html)
    policy = next(
        a["content"] for tag, a in page.elements if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    assert {tag for tag, _ in page.elements}.isdisjoint({"script", "link", "iframe", "object", "a"})
    sources = [a["src"] or "" for _, a in page.elements if "src" in a]
    assert len(sources) == 1
    assert sources[0].startswith("data:image/png;base64,")
    assert base64.b64decode(sources[0].partition(",")[2]) == png()
    assert not re.search(r"https?://|@import|url\(", html)


def test_it_adapts_to_dark_phones_and_paper(mixed: Path) -> None:
    html = report(mixed)
    assert 'name="viewport"' in html
    for media in ("prefers-color-scheme: dark", "max-width", "print"):
        assert re.search(f"@media[^{{]*{media}", html)


def test_bars_are_in_proportion(mixed: Path) -> None:
    html = report(mixed)
    charts = dict(re.findall(r'<div class="chart">\s*<h3>(.*?)</h3>(.*?)</ul>', html, re.DOTALL))
    widths = {title: re.findall(r'class="bar \w*" width="([\d.]+)%"', body) for title, body in charts.items()}
    assert widths["Size"] == ["33.33", "66.67", "100.00"]
    assert widths["One call"] == ["100.00", "0.26"]
    # 124.3 dB and 17.26 dB of 1.1 times 124.3 dB; the lines at 90 dB and 20 dB.
    assert widths["Signal over noise (SQNR)"] == ["90.91", "12.62"]
    assert re.findall(r'x1="([\d.]+)%"', html) == ["65.82", "14.63"]
    assert [body.count('class="absent"') for body in charts.values()] == [0, 1, 1]


def test_an_identical_model_fills_its_bar(tmp_path: Path) -> None:
    html = report(bundle(tmp_path, ("tflite", "float32", IDENTICAL, 1.0)))
    assert re.findall(r'class="bar passed" width="([\d.]+)%"', html) == ["100.00"]
    assert Page(html).text.count("identical") == 3
    assert "One call</h3>" not in html, "one bar alone compares nothing"


def test_signature_provenance_preprocessing_notes(mixed: Path) -> None:
    text = Page(report(mixed)).text
    for expected in (
        "torch model model.pt2, bundled 2026-01-31 12:34 UTC by edgekit 0.1.0",
        "image input float32 any × 2",
        "scores output float32 any × 3",
        "onnx / float32 input image transposed, 2 × any",
        "onnx / float32 output scores named out",
        "size 224 × 192 mean 127 in each channel labels 3: cat · dog · tench, Tinca tinca",
        "the batch is fixed",
        "ab" * 32,
        "torch 2.13.0",
        "Samples 12, photos",
        "Seed 7",
        "tool 2.0 runtime 1.0 1.50 s",
        "It is not the time on a phone or a board",
    ):
        assert expected in text


def test_pictures_with_answers(mixed: Path, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(np.zeros((300, 600, 3), np.uint8)).save(tmp_path / "cat.png")
    answers = {
        "onnx / float32": [("cat", 0.8751), ("dog", 0.1)],
        "tflite / int8": [("cat", 7.25)],
        "coreml / float32": [],
    }
    picture = Picture.of(tmp_path / "cat.png", answers, longest_side=200)
    with Image.open(io.BytesIO(picture.image)) as image:
        assert (image.format, image.size) == ("JPEG", (200, 100))
    html = report(mixed, extra=[Pictures("What each format says", (picture,), "The same photograph.")])
    text = Page(html).text
    assert "What each format says The same photograph. cat.png onnx / float32 cat 0.875 dog 0.100" in text
    assert "tflite / int8 cat 7.250 coreml / float32 not executed" in text
    answered = html[html.index('class="answers"') : html.index("<h2>Tolerances")]
    assert re.findall(r'class="bar" width="([\d.]+)%"', answered) == ["87.51", "10.00"], (
        "scores that are no shares have no bar"
    )


def test_picture_bytes_are_checked() -> None:
    with pytest.raises(InputError, match=r"picture 'x': its bytes are not image/svg\+xml"):
        Picture("x", b"<svg onload=alert(1)>", "image/svg+xml", {})
    with pytest.raises(InputError, match=r"its bytes are not image/jpeg"):
        Picture("x", png(), "image/jpeg", {})


def test_written_whole_or_not_at_all(mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "report.html"
    output.write_text("the old one")
    with pytest.raises(StorageError):
        write_report(mixed, tmp_path / "nowhere" / "report.html")
    mixed.write_bytes(mixed.read_bytes()[:-100])
    with pytest.raises(BundleError):
        write_report(mixed, output)
    assert output.read_text() == "the old one"

    real = builtins.__import__
    monkeypatch.setattr(
        builtins, "__import__", lambda name, *rest: _absent(name) if name == "jinja2" else real(name, *rest)
    )
    with pytest.raises(MissingDependencyError, match=r"jinja2 is not installed.*pip install 'edgekit\[report\]'"):
        check_installed()


def _absent(name: str) -> None:
    raise ImportError(name)


def test_names_beyond_utf8(tmp_path: Path) -> None:
    html = report(bundle(tmp_path, ("onnx", "float32", PASSED, 1.0)), extra=[Pictures("half \ud800 a pair", ())])
    assert "half ? a pair" in html


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (numbers.size(0), "0 B"),
        (numbers.size(999), "999 B"),
        (numbers.size(1000), "1.00 kB"),
        (numbers.size(18_626_135), "18.6 MB"),
        (numbers.size(999_999), "1.00 MB"),
        (numbers.size(5.1e9), "5.10 GB"),
        (numbers.duration(0.0692), "69.2 µs"),
        (numbers.duration(0.00012), "0.120 µs"),
        (numbers.duration(0.9999), "1.00 ms"),
        (numbers.duration(13.746), "13.7 ms"),
        (numbers.duration(999.9), "1.00 s"),
        (numbers.duration(65_000), "65.0 s"),
        (numbers.three_digits(9.996), "10.0"),
        (numbers.three_digits(1234.5), "1234"),
        (numbers.error(0.0), "0"),
        (numbers.error(1.1920929e-7), "1.2 × 10⁻⁷"),
        (numbers.error(0.0123456), "0.0123"),
        (numbers.error(54321.0), "5.4 × 10⁴"),
        (numbers.error(None), "–"),
        (numbers.exact(6.62e-8), "6.62 × 10⁻⁸"),
        (numbers.exact(90), "90"),
        (numbers.exact(98.0), "98"),
        (numbers.percent(1.0), "100 %"),
        (numbers.percent(0.99999), "99.99 %"),
        (numbers.percent(0.57), "57 %"),
        (numbers.percent(0.0), "0 %"),
        (numbers.decibels(math.inf), "identical"),
        (numbers.decibels(None), "–"),
    ],
)
def test_numbers(text: str, expected: str) -> None:
    assert text.replace("\u00a0", " ") == expected


@given(st.floats(0, 1))
def test_a_share_is_never_rounded_up(share: float) -> None:
    shown = float(numbers.percent(share).split("\u00a0")[0])
    assert shown <= 100 * share + 1e-7
    assert shown > 100 * share - 0.010001


@given(st.floats(1e-6, 1e6))
def test_three_digits_are_right_to_half_a_percent(value: float) -> None:
    text = numbers.three_digits(value)
    assert "e" not in text
    assert abs(float(text) - value) <= 0.00501 * value
