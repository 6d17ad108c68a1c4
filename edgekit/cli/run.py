"""``edgekit run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edgekit.cli import options

if TYPE_CHECKING:
    from edgekit.runtime.running import Answers

# Rows of an output that are shown; --output writes all of them.
_SHOWN = 10

HELP = """Run a bundle or model file on samples, as the device would.

[bold]Examples[/bold]

  edgekit run model.edge --samples photo.jpg

  edgekit run model.edge --samples data.npz --output answers.npz

  edgekit run model.edge --target tflite --samples photos/ --json
"""


def run(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A bundle, or a .onnx, .tflite or .mlpackage file.")],
    samples: options.RequiredSamples,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", help="Write every output to this .npz.", show_default=False),
    ] = None,
    target: options.Target = None,
    scheme: options.Scheme = None,
    preprocess: options.Preprocess = None,
    top: Annotated[int, typer.Option("--top", help="Labels shown for each sample.", min=1)] = 5,
    threads: options.Threads = None,
    force: options.Force = False,  # noqa: FBT002
    json: options.Json = False,  # noqa: FBT002
) -> None:
    """Parse, run, print."""
    from edgekit.cli.console import print_json, vendors_on_stderr
    from edgekit.errors import InputError
    from edgekit.outputs import check_new_file
    from edgekit.runtime.running import run_samples, write_outputs

    if output is not None:
        if output.suffix.lower() != ".npz":
            raise InputError(f"--output {output}", "outputs are written as .npz", "name it answers.npz")
        check_new_file(output, force=force)
    with vendors_on_stderr():
        answers = run_samples(model, samples, target=target, scheme=scheme, preprocess=preprocess, threads=threads)
    if output is not None:
        write_outputs(answers, output)
    if json:
        print_json(answers.to_json(top))
    else:
        _show(answers, top)


def _show(answers: Answers, top: int) -> None:
    from edgekit.cli.console import output, plain, table
    from edgekit.signature import dtype_name

    console = output()
    count = f"{answers.count} sample{'' if answers.count == 1 else 's'}"
    console.print(plain(f"{answers.artifact} on {answers.runtime}, {count}"), soft_wrap=True)
    ranked = answers.ranked(top)
    for name, best in ranked.items():
        rows = [
            (sample, ", ".join(f"{label} {score:.3g}" for label, score in scores))
            for sample, scores in zip(answers.sample_names, best, strict=True)
        ]
        console.print(table(name, ("sample", f"best {top}"), rows))
    for name, array in answers.outputs.items():
        if name not in ranked:
            few = array[:_SHOWN] if array.ndim else array
            cut = (
                f", the first {_SHOWN} of {len(array)} (all of them: -o answers.npz)"
                if len(few) < array.size and array.ndim and len(array) > _SHOWN
                else ""
            )
            console.print(plain(name, "bold").append(f" {dtype_name(array)} {list(array.shape)}{cut}"), soft_wrap=True)
            console.print(plain(str(few)), soft_wrap=True)
