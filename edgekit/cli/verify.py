"""``edgekit verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from edgekit.cli import options

if TYPE_CHECKING:
    from edgekit.convert.request import ConvertRequest

HELP = """Execute a bundle's models here and compare with what the original answered, recorded or asked anew.

[bold]Examples[/bold]

  edgekit verify model.edge

  edgekit verify model.edge --against model.pt2 --samples more.npz

  edgekit verify model.onnx --against mynet:build --weights best.pt --input-shape x=1,4

  edgekit verify model.onnx --against model.pt2 --samples more.npz --layers

--layers runs both sides on the same samples, matches the tensors inside and shows the first that departs.

Two model files are compared alike: --against other.tflite.

The exit code is 1 where a verdict failed; with --layers, where a layer departs.
"""


def verify(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A bundle, or a model file with --against.")],
    against: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--against", help="The original: a model file or package.module:factory.", show_default="the recording"
        ),
    ] = None,
    samples: options.Samples = None,
    preprocess: options.Preprocess = None,
    weights: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--weights", help="Weights for a factory.", show_default=False),
    ] = None,
    trust: options.Trust = False,  # noqa: FBT002
    input_shape: options.InputShape = None,
    input_name: options.InputName = "",
    output_name: options.OutputName = "",
    columns: options.Columns = None,
    dynamic: options.Dynamic = "",
    target: options.Target = None,
    scheme: options.Scheme = None,
    tolerance: Annotated[str, typer.Option("--tolerance", help="Bounds of your own: sqnr_db=60.")] = "",
    layers: Annotated[  # noqa: FBT002
        bool, typer.Option("--layers", help="Layer by layer: where does it depart first? Needs --against.")
    ] = False,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    json: options.Json = False,  # noqa: FBT002
) -> None:
    """Parse, verify, print."""
    from edgekit.cli.console import artifact_table, output, print_json, say, say_notes, vendors_on_stderr
    from edgekit.convert.request import ConvertRequest
    from edgekit.errors import InputError
    from edgekit.preprocessing import Contract
    from edgekit.verify.again import SCHEMA
    from edgekit.verify.again import verify as verify_model
    from edgekit.verify.tolerance import parse_tolerance

    alone = {
        "--samples": samples,
        "--weights": weights,
        "--preprocess": preprocess,
        "--trust": trust,
        "--input-shape": input_shape,
        "--input-name": input_name,
        "--output-name": output_name,
        "--columns": columns,
        "--dynamic": dynamic,
    }
    useless = [name for name, value in alone.items() if value]
    if against is None and useless:
        raise InputError(useless[0], "it belongs to an original, and none is named", "add --against MODEL")
    shapes, dtypes = options.parse_shapes(input_shape or [])
    request = None
    if against is not None:
        request = ConvertRequest(
            model=against,
            targets=("onnx",),
            samples=str(samples) if samples else None,
            preprocessing=Contract.from_toml(preprocess).to_json() if preprocess else None,
            weights=str(weights) if weights else None,
            trust=trust,
            input_names=tuple(options.parse_list(input_name)),
            output_names=tuple(options.parse_list(output_name)),
            shapes={name: tuple(shape) for name, shape in shapes.items()},
            dtypes=dtypes,
            columns=columns,
            dynamic=tuple(options.parse_list(dynamic)),
            seed=seed,
        )
    bounds = parse_tolerance(tolerance) if tolerance else None
    if layers:
        chosen = {"target": target, "scheme": scheme, "tolerance": bounds, "threads": threads}
        raise typer.Exit(_layers(model, request, chosen, json=json))
    with vendors_on_stderr():
        checks = verify_model(model, against=request, target=target, scheme=scheme, tolerance=bounds, threads=threads)
    rows = [check.to_json() for check in checks]
    if json:
        print_json({"schema": SCHEMA, "model": str(model), "artifacts": rows})
    else:
        output().print(artifact_table([{**row, "bytes": None, "call_ms": None} for row in rows]))
        for check in checks:
            for problem in check.verdict.problems:
                say(problem, f"{check.target} {check.scheme}".strip() + ":")
        say_notes(rows)
    raise typer.Exit(1 if any(check.verdict.passed is False for check in checks) else 0)


def _layers(model: Path, against: ConvertRequest | None, chosen: dict[str, Any], *, json: bool) -> int:
    """Compare, print; the exit code."""
    from edgekit.cli.console import print_json, vendors_on_stderr
    from edgekit.cli.layers import show
    from edgekit.verify.layers import SCHEMA, compare_layers

    with vendors_on_stderr():
        reports = compare_layers(model, against=against, **chosen)
    if json:
        rows = [report.to_json() for report in reports]
        print_json({"schema": SCHEMA, "model": str(model), "original": against and against.model, "artifacts": rows})
    else:
        for report in reports:
            show(report)
    return 1 if any(report.passed is False for report in reports) else 0
