"""``edgekit diagnose``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from edgekit.cli import options

HELP = """Say what about a model will not survive quantization: which layer, with which numbers, and what to do.

Runs the model on the samples and looks into every layer: joined parts whose ranges are far apart, few channels that
stretch the range of all, values beyond half precision, layers and outputs that never change, samples for ranges that do
not look like the others; of quantized ONNX and TFLite files, Softmax and Sigmoid calibrated beyond 0 to 1.

[bold]Examples[/bold]

  edgekit diagnose model.pt2 --samples x.npz

  edgekit diagnose int8.tflite --samples x.npz --calibration ranges.npz --json
"""


def diagnose(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model file, a SavedModel folder, or package.module:factory.")
    ],
    samples: options.RequiredSamples,
    calibration: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--calibration", help="Samples for ranges, compared with the others.", show_default=False),
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
    seed: options.Seed = 0,
    quiet: options.Quiet = False,  # noqa: FBT002
    json: options.Json = False,  # noqa: FBT002
) -> None:
    """Parse, look, print."""
    from edgekit.cli.console import output, plain, print_json, say, vendors_on_stderr
    from edgekit.convert.request import ConvertRequest
    from edgekit.diagnosis import diagnose as diagnose_model
    from edgekit.preprocessing import Contract

    shapes, dtypes = options.parse_shapes(input_shape or [])
    request = ConvertRequest(
        model=model,
        targets=("onnx",),
        samples=str(samples),
        calibration=str(calibration) if calibration else None,
        preprocessing=Contract.from_toml(preprocess).to_json() if preprocess else None,
        weights=str(weights) if weights else None,
        trust=trust,
        input_names=tuple(options.parse_list(input_name)),
        output_names=tuple(options.parse_list(output_name)),
        shapes={name: tuple(shape) for name, shape in shapes.items()},
        dtypes=dtypes,
        seed=seed,
    )
    with vendors_on_stderr():
        found = diagnose_model(request, step=lambda text: None if quiet else say(text))
    if json:
        print_json(found.to_json())
        return
    for one in found.findings:
        output().print(plain(one.layer, "bold"))
        output().print(plain(f"  {one.what}"))
        output().print(plain(f"  {one.todo}", "green"))
    say(f"looked into {found.tensors} tensors on {found.samples} samples by {found.runtime}")
    if not found.findings:
        say("found nothing that fewer bits would not bear; what they cost your task is told by edgekit tune")
