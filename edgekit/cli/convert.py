"""``edgekit convert``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from edgekit.cli import options

if TYPE_CHECKING:
    from edgekit.convert import ConvertResult

HELP = """Convert a trained model, execute what was made, compare it with the original, and bundle what passed.

[bold]Examples[/bold]

  edgekit convert model.pt2 --to onnx,tflite,coreml --samples photos.npz -o model.edge

  edgekit convert mynet:build --weights best.safetensors --input-shape x=1,3,224,224

  edgekit convert model.keras --to tflite --quantize float16

  edgekit convert model.joblib --trust --samples table.csv

  edgekit convert model.pt2 --quantize int8 --samples x.npz --metric accuracy --labels y.npy
"""


def convert(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model file, a SavedModel folder, or package.module:factory.")
    ],
    to: Annotated[str, typer.Option("--to", help="Targets, comma-separated: onnx, tflite, coreml.")] = "onnx",
    samples: options.Samples = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--output", "-o", help="The bundle to write.", show_default="MODEL's name with .edge"),
    ] = None,
    quantize: Annotated[
        str, typer.Option("--quantize", help="Schemes to add to float32, comma-separated; or auto.")
    ] = "",
    only: Annotated[bool, typer.Option("--only", help="Leave float32 out.")] = False,  # noqa: FBT002
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
    layout: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--layout",
            help="nhwc: model files take images channel-last, as phones give them.",
            show_default="the model's",
        ),
    ] = None,
    dynamic: options.Dynamic = "",
    tolerance: Annotated[
        str, typer.Option("--tolerance", help="Bounds of your own: sqnr_db=60,label_agreement=0.99.")
    ] = "",
    calibration: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--calibration", help="Samples for ranges.", show_default="half of --samples"),
    ] = None,
    ranges: Annotated[
        str, typer.Option("--ranges", help="What int8 covers of the values: minmax, entropy, percentile (not TFLite).")
    ] = "minmax",
    device: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--device", help="What the files are for: edgekit devices list.", show_default="this machine"),
    ] = None,
    metric: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--metric", help="accuracy, top5, auc, f1, mse, mae, map or module:function.", show_default=False),
    ] = None,
    labels: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--labels", help="What is right of each sample: .npy, .npz, .csv or .txt.", show_default=False),
    ] = None,
    max_drop: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--max-drop", help="Of --quantize auto: what may be lost, 0.5%.", show_default=False),
    ] = None,
    allow_slower: Annotated[  # noqa: FBT002
        bool, typer.Option("--allow-slower", help="Keep quantized files that are slower than float32 here.")
    ] = False,
    integer_io: Annotated[  # noqa: FBT002
        bool, typer.Option("--integer-io", help="TFLite's int8 and int16x8 take and give integers themselves.")
    ] = False,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds a target may take.")] = 1800.0,
    jobs: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--jobs", help="Targets converted at once.", show_default="one a processor", min=1),
    ] = None,
    report: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--report", help="Also write a report to look at: one HTML file.", show_default=False),
    ] = None,
    unpacked: Annotated[bool, typer.Option("--unpacked", help="Write a folder instead of one file.")] = False,  # noqa: FBT002
    keep_failed: Annotated[bool, typer.Option("--keep-failed", help="Keep model files that failed.")] = False,  # noqa: FBT002
    force: options.Force = False,  # noqa: FBT002
    quiet: options.Quiet = False,  # noqa: FBT002
    json: options.Json = False,  # noqa: FBT002
) -> None:
    """Parse, convert, print."""
    from edgekit.cli.console import print_json
    from edgekit.cli.progress import Reporter
    from edgekit.convert import convert as convert_model
    from edgekit.errors import InputError
    from edgekit.outputs import check_new_file
    from edgekit.verify.tolerance import parse_tolerance

    shapes, dtypes = options.parse_shapes(input_shape or [])
    bundle = output or Path(f"{options.name_of(model)}.edge")
    if not timeout > 0:
        raise InputError(f"--timeout {timeout:g}", "no target is converted in no time", "give seconds, more than 0")
    if report is not None:
        from edgekit.report import check_installed

        check_installed()
        check_new_file(report, force=force)
        if report.resolve() == bundle.resolve():
            raise InputError(f"--report {report}", "that is the bundle's name", "name it report.html")
    with Reporter(quiet=quiet) as reporter:
        result = convert_model(
            model,
            to,
            samples=samples,
            output=bundle,
            quantize=quantize,
            only=only,
            weights=weights,
            trust=trust,
            preprocess=preprocess,
            layout=layout,
            dynamic=dynamic,
            input_names=options.parse_list(input_name),
            output_names=options.parse_list(output_name),
            input_shapes=shapes,
            input_dtypes=dtypes,
            columns=columns,
            tolerance=parse_tolerance(tolerance) if tolerance else None,
            calibration=calibration,
            ranges=ranges,
            device=device,
            metric=metric,
            labels=labels,
            max_drop=max_drop,
            allow_slower=allow_slower,
            integer_io=integer_io,
            seed=seed,
            threads=threads,
            timeout=timeout,
            jobs=jobs,
            force=force,
            unpacked=unpacked,
            keep_failed=keep_failed,
            event=reporter.event,
        )
    if report is not None and result.bundle is not None:
        from edgekit.report import write_report

        write_report(result.bundle, report)
    if json:
        print_json(result.to_json())
    else:
        _show(result, report)
    raise typer.Exit(result.exit_code)


def _show(result: ConvertResult, report: Path | None) -> None:
    from edgekit.cli.console import artifact_table, output, say, say_notes, size
    from edgekit.convert.prepare import OWN_SAMPLES

    if result.artifacts:
        output().print(artifact_table(result.artifacts))
        say_notes(result.artifacts)
    verdicts = [row["verdict"] for row in result.artifacts]
    for note in result.notes:
        if not any(note in one["notes"] for one in verdicts):
            say(note, style="yellow")
    if any(one["synthetic_samples"] and OWN_SAMPLES not in one["notes"] for one in verdicts):
        say("compared on random samples: give --samples for a verdict on real input", style="yellow")
    for failure in result.failed:
        say(str(failure.error), "error:")
        if failure.log is not None:
            say(f"       log: {failure.log}")
    if result.bundle is not None:
        where = f"{result.bundle}" + (f" ({size(result.bundle.stat().st_size)})" if result.bundle.is_file() else "")
        say(f"wrote {where}" + (f" and {report}" if report else ""))
    else:
        say("no bundle was written: nothing passed", style="bold red")
