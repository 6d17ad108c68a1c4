"""``edgekit tune``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edgekit.cli import options

if TYPE_CHECKING:
    from rich.text import Text

    from edgekit.tune import TuneResult

HELP = """Find the fastest or smallest quantized model that keeps a budget of your task's metric.

Every scheme of every target is tried, measured on your labels and timed beside float32; schemes that lose too much are
repaired by other ranges, then by leaving the layers that cost most in float32. What was tried is kept in a folder
beside the bundle, with a table (tune.json) and a picture (pareto.svg); an interrupted search goes on where it was.

[bold]Examples[/bold]

  edgekit tune model.pt2 --to onnx,tflite --samples x.npz --labels y.npy --metric accuracy --max-drop 0.5%

  edgekit tune model.keras --samples x.npy --labels y.csv --metric mae --max-drop 1% --for size
"""


def tune(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model file, a SavedModel folder, or package.module:factory.")
    ],
    samples: options.RequiredSamples,
    labels: Annotated[Path, typer.Option("--labels", help="What is right of each sample: .npy, .npz, .csv or .txt.")],
    metric: Annotated[
        str, typer.Option("--metric", help="accuracy, top5, auc, f1, mse, mae, map or module:function.")
    ] = "accuracy",
    max_drop: Annotated[
        str, typer.Option("--max-drop", help="What may be lost: points of the metric, percent of an error.")
    ] = "0.5%",
    to: Annotated[str, typer.Option("--to", help="Targets, comma-separated: onnx, tflite, coreml.")] = "onnx,tflite",
    aim: Annotated[str, typer.Option("--for", help="speed or size.")] = "speed",
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", help="The bundle to write.", show_default="MODEL's name with .edge"),
    ] = None,
    calibration: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--calibration", help="Samples for ranges.", show_default="half of --samples"),
    ] = None,
    device: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--device", help="What the files are for: edgekit devices list.", show_default="this machine"),
    ] = None,
    preprocess: options.Preprocess = None,
    weights: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--weights", help="A .safetensors file or state dict for a factory.", show_default=False),
    ] = None,
    trust: options.Trust = False,  # noqa: FBT002
    input_shape: options.InputShape = None,
    input_name: options.InputName = "",
    output_name: options.OutputName = "",
    columns: options.Columns = None,
    dynamic: options.Dynamic = "",
    seed: options.Seed = 0,
    threads: options.Threads = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what an interrupted search has tried.")] = False,  # noqa: FBT002
    force: options.Force = False,  # noqa: FBT002
    quiet: options.Quiet = False,  # noqa: FBT002
    json: options.Json = False,  # noqa: FBT002
) -> None:
    """Parse, search, print."""
    from edgekit.cli.console import print_json
    from edgekit.cli.progress import Reporter
    from edgekit.convert.request import ConvertRequest
    from edgekit.preprocessing import Contract
    from edgekit.tune import parse_drop
    from edgekit.tune import tune as tune_model

    shapes, dtypes = options.parse_shapes(input_shape or [])
    drop = parse_drop(max_drop)
    request = ConvertRequest(
        model=model,
        targets=tuple(dict.fromkeys(options.parse_list(to))),
        samples=str(samples),
        calibration=str(calibration) if calibration else None,
        metric=metric,
        labels=str(labels),
        device=device,
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
        threads=threads,
    )
    bundle = output or Path(f"{options.name_of(model)}.edge")
    with Reporter(quiet=quiet) as reporter:
        result = tune_model(request, bundle, drop=drop, objective=aim, force=force, fresh=fresh, event=reporter.event)
    if json:
        print_json(result.to_json())
    else:
        _show(result)


def _show(result: TuneResult) -> None:
    from edgekit.cli.console import output, plain, say, table

    right = ("metric", "loses at most", "speed", "size")
    columns = ("target", "candidate", *right, "within", "")
    document = result.to_json()
    rows = [_row(row, plain("within", "green"), plain("no", "red")) for row in document["candidates"]]
    output().print(table("", columns, rows, right=right))
    for target, one in result.best.items():
        say(f"{target}: {one.candidate.name}; {one.metric}")
    for target in sorted({row["target"] for row in document["candidates"]} - set(result.best)):
        say(f"{target}: nothing keeps {result.budget}", style="yellow")
    for note in result.notes:
        say(note, style="yellow")
    say(f"wrote {result.bundle}; every candidate and the picture: {result.folder / 'pareto.svg'}")


def _row(row: dict[str, object], within: Text, outside: Text) -> list[str | Text]:
    from edgekit.cli.console import size

    metric, speed = row["metric"], row["speed"]
    if not isinstance(metric, dict):
        return [str(row["target"]), str(row["name"]), "", "", "", "", "", str(row["error"])]
    scale, unit = (100, " %") if metric["relative"] else (100, " points")
    high = "?" if metric["high"] is None else f"{scale * metric['high']:.2f}{unit}"
    words = [word for word, told in (("best", row["best"]), ("unbeaten", row["pareto"])) if told]
    return [
        str(row["target"]),
        str(row["name"]),
        f"{metric['converted']:.4g}",
        high,
        f"{speed['speedup']:.2f} x" if isinstance(speed, dict) else "",
        size(float(str(row["bytes"]))),
        within if row["within"] else outside,
        ", ".join(words),
    ]
