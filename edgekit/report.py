"""The report people look at: one HTML file about a bundle that needs nothing else, not even a network."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import edgekit
from edgekit._report import view
from edgekit.bundle import Bundle, Manifest
from edgekit.errors import InputError, missing
from edgekit.outputs import written_whole

if TYPE_CHECKING:
    from edgekit.bench.result import Result

_MAGIC = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
_HERE = Path(__file__).parent / "_report"


@dataclass(frozen=True)
class Picture:
    """A picture and what each model file says of it.

    Attributes:
        name: what it is called.
        image: a PNG or JPEG file's bytes, embedded as they are.
        mime: ``image/png`` or ``image/jpeg``.
        answers: by model file (``onnx / float32``), the best labels with their scores, best first; empty where it was
            not executed, and shown as that.

    Raises:
        InputError: the bytes are not of that kind.
    """

    name: str
    image: bytes
    mime: str
    answers: Mapping[str, Sequence[tuple[str, float]]]

    def __post_init__(self) -> None:
        if self.mime not in _MAGIC or not self.image.startswith(_MAGIC[self.mime]):
            known = " or ".join(_MAGIC)
            raise InputError(
                f"picture {self.name!r}", f"its bytes are not {self.mime}", f"give {known}, or use Picture.of"
            )

    @staticmethod
    def of(path: str | Path, answers: Mapping[str, Sequence[tuple[str, float]]], *, longest_side: int = 512) -> Picture:
        """A picture file, upright and scaled down for the report.

        Args:
            path: any picture that the preprocessing contract takes.
            answers: as in :class:`Picture`.
            longest_side: in pixels; a smaller picture keeps its size.

        Raises:
            InputError: not a whole picture.
            MissingDependencyError: Pillow is not installed.
        """
        from edgekit.preprocessing import decode_image

        pixels = decode_image(path)
        from PIL import Image

        image = Image.fromarray(pixels)
        image.thumbnail((longest_side, longest_side))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=85)
        return Picture(Path(path).name, buffer.getvalue(), "image/jpeg", answers)


@dataclass(frozen=True)
class Pictures:
    """A section of pictures with each model file's answers.

    Attributes:
        title: the section's heading.
        items: the pictures.
        text: a sentence below the heading.
    """

    title: str
    items: tuple[Picture, ...]
    text: str = ""


# What a caller may add to a report: data that the template shows, never HTML.
Section = Pictures


def check_installed() -> None:
    """Refuse before the work what could not be written after it.

    Raises:
        MissingDependencyError: jinja2 is not installed.
    """
    try:
        import jinja2  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise missing("write a report", "jinja2", "report") from error


def write_report(bundle: Path, output: Path, *, extra: Sequence[Section] = ()) -> None:
    """Write one self-contained HTML file about a bundle, whole or not at all.

    Args:
        bundle: the ``.edge`` file or folder.
        output: the file to write; one that is there is replaced.
        extra: sections to add.

    Raises:
        BundleError: not a bundle, or a damaged one.
        MissingDependencyError: jinja2 is not installed.
        StorageError: the file could not be written.
    """
    check_installed()
    manifest = Bundle.open(bundle).manifest
    page = _rendered(bundle, manifest, extra)
    with written_whole(output) as file:
        # A name may hold what UTF-8 does not, such as half a surrogate pair.
        file.write(page.encode("utf-8", "replace"))


def write_results(
    results: Sequence[Result],
    output: Path,
    *,
    name: str = "Measurements",
    bundles: Sequence[Path] = (),
    failures: Sequence[tuple[str, str]] = (),
) -> None:
    """Write one self-contained HTML file about measurements, whole or not at all.

    Args:
        results: what ``edgekit bench`` found; shown by device, model, format and scheme.
        output: the file to write; one that is there is replaced.
        name: the heading.
        bundles: what the models came from; their verdicts stand beside the measurements of the same files.
        failures: what could not be measured, and why.

    Raises:
        BundleError: not a bundle, or a damaged one.
        MissingDependencyError: jinja2 is not installed.
        StorageError: the file could not be written.
    """
    check_installed()
    from edgekit._report import results as shown
    from edgekit._report.environments import environments
    from edgekit.bench.protocol import VERSION

    results = shown.ordered(results)
    artifacts = [artifact for path in bundles for artifact in Bundle.open(path).artifacts]
    verdicts = {one.sha256: one.verdict for one in artifacts}
    rows = shown.rows(results, verdicts)
    page = _page(
        "results.html.j2",
        name=name,
        protocol=VERSION,
        summary=shown.summary(results, len(failures)),
        rows=rows,
        known={"sqnr": bool(verdicts), **{key: any(row[key] for row in rows) for key in ("energy", "metric")}},
        failures=failures,
        charts=shown.side_by_side(results),
        scatters=shown.scatters(results, verdicts),
        details=shown.details(results),
        environments=environments(results),
    )
    with written_whole(output) as file:
        file.write(page.encode("utf-8", "replace"))


def _rendered(bundle: Path, manifest: Manifest, extra: Sequence[Section]) -> str:
    return _page(
        "report.html.j2",
        name=bundle.name,
        summary=view.summary(manifest),
        rows=[view.artifact_row(artifact) for artifact in manifest.artifacts],
        charts=view.charts(manifest),
        extra=[_section(section) for section in extra],
        signature=[
            ("input", [view.tensor_row(spec) for spec in manifest.signature.inputs]),
            ("output", [view.tensor_row(spec) for spec in manifest.signature.outputs]),
        ],
        differences=view.differences(manifest),
        preprocessing=view.preprocessing(manifest),
        labels=manifest.labels or (),
        notes=manifest.notes,
        facts=view.facts(manifest, bundle.stat().st_size if bundle.is_file() else None),
    )


def _page(template: str, **shown: Any) -> str:
    """A page of one of our templates; everything shown is escaped."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(_HERE),
    )
    style = Markup((_HERE / "report.css").read_text("utf-8"))  # noqa: S704 - our own file
    page: str = environment.get_template(template).render(version=edgekit.__version__, style=style, **shown)
    return page


def _section(section: Section) -> dict[str, Any]:
    return {"title": section.title, "text": section.text, "pictures": [_picture(item) for item in section.items]}


def _picture(item: Picture) -> dict[str, Any]:
    source = f"data:{item.mime};base64,{base64.b64encode(item.image).decode()}"
    answers = [{"name": name, "best": _best(best)} for name, best in item.answers.items()]
    return {"name": item.name, "source": source, "answers": answers}


def _best(best: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    """Labels and scores; a bar only where the scores are shares."""
    shares = all(math.isfinite(score) and 0 <= score <= 1 for _, score in best)
    return [
        {
            "label": label,
            "score": f"{score:.3f}",
            "share": 100 * score if shares else None,
        }
        for label, score in best
    ]
