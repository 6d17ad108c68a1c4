"""``edgekit inspect``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edgekit.cli import options

if TYPE_CHECKING:
    from edgekit.bundle import Manifest

HELP = """Show what is in a bundle or model file: signature, artifacts, verdicts, provenance. Every digest is checked.

[bold]Examples[/bold]

  edgekit inspect model.edge

  edgekit inspect model.edge --json

  edgekit inspect model.edge --report report.html
"""


def inspect(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A bundle, or a .onnx, .tflite or .mlpackage file.")],
    report: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--report", help="Also write a report to look at: one HTML file.", show_default=False),
    ] = None,
    force: options.Force = False,  # noqa: FBT002
    json: options.Json = False,  # noqa: FBT002
) -> None:
    """Parse, open, print."""
    from edgekit.bundle import Bundle
    from edgekit.cli.console import print_json, say, vendors_on_stderr
    from edgekit.errors import InputError
    from edgekit.modelfile import describe
    from edgekit.outputs import check_new_file
    from edgekit.runtime.loading import target_of

    if target_of(model):
        if report is not None:
            todo = "make a bundle: edgekit convert"
            raise InputError(f"--report for {model}", "a model file carries no verdicts", todo)
        with vendors_on_stderr():
            found = describe(model)
        print_json(found) if json else _show_file(found)
        return
    bundle = Bundle.open(model)
    bundle.verify_files()
    if report is not None:
        from edgekit.report import write_report

        check_new_file(report, force=force)
        write_report(model, report)
        say(f"wrote {report}")
    if json:
        print_json(bundle.manifest.to_json())
    else:
        _show(model, bundle.manifest)


def _show_file(found: dict[str, Any]) -> None:
    from edgekit.cli.console import output, plain

    for key, value in found.items():
        output().print(plain(key, "bold").append(" ").append_text(plain(str(value))), soft_wrap=True)


def _show(path: Path, manifest: Manifest) -> None:
    from edgekit.cli.console import artifact_table, output, plain, say_notes

    for line in _facts(manifest):
        output().print(plain(line), soft_wrap=True)
    output().print()
    rows = [artifact.to_json() for artifact in manifest.artifacts]
    output().print(artifact_table(rows, title=str(path)))
    say_notes(rows)


def _facts(manifest: Manifest) -> Iterator[str]:
    yield f"made {manifest.created} by edgekit {manifest.edgekit}"
    source, samples = manifest.source, manifest.samples
    versions = ", ".join(f"{name} {version}" for name, version in source["versions"].items())
    digest = f", SHA-256 {source['sha256'][:16]}…" if source["sha256"] else ""
    yield f"from {source['framework']}: {source['file'] or 'a live object'} ({versions}{digest})"
    for side in ("inputs", "outputs"):
        yield f"{side}: {'; '.join(map(str, getattr(manifest.signature, side)))}"
    kind = "random" if samples["synthetic"] else f"from {samples['origin']}"
    yield f"samples: {samples['count']} {kind}; {samples['golden']} recorded"
    if manifest.labels:
        more = ", …" if manifest.labels[3:] else ""
        yield f"labels: {len(manifest.labels)} ({', '.join(manifest.labels[:3])}{more})"
    if manifest.preprocessing:
        size = " × ".join(map(str, manifest.preprocessing["size"]))
        yield f"preprocessing: {size} {manifest.preprocessing['colour']}, {manifest.preprocessing['layout']}"
    for artifact in manifest.artifacts:
        own = [spec for spec in artifact.signature.inputs if spec not in manifest.signature.inputs]
        if own:
            yield f"{artifact.file} itself takes {'; '.join(map(str, own))}"
        for one in (*artifact.inputs, *artifact.outputs):
            if one.quantization is not None:
                yield f"{artifact.file}: {one.native} is {one.dtype}, {one.quantization}"
    for note in manifest.notes:
        yield f"note: {note}"
