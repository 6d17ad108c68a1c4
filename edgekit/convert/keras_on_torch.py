"""A Keras model converted as a PyTorch model: Keras 3 rebuilds it on its torch backend, in a process of its own.

Keras takes its backend once a process, so the model travels as a .keras file:

    this process, TensorFlow            python -m edgekit.convert.keras_on_torch FOLDER, torch
    model.keras, job.json, in.npz  ──▶  rebuild, run, convert by the torch → target route
    compare with the original      ◀──  out.npz, result.json, the model file
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit.errors import ConversionError, EdgekitError, missing
from edgekit.signature import Array, Signature
from edgekit.verify.compare import compare
from edgekit.verify.tolerance import Tolerance

if TYPE_CHECKING:
    from edgekit.convert.options import ConvertOptions
    from edgekit.sources.tensorflow import TensorFlowSource

# How far Keras on torch may be from Keras on TensorFlow in float32: the same arithmetic in another order.
_SAME = Tolerance(sqnr_db=90)


def convert_on_torch(source: TensorFlowSource, options: ConvertOptions, target: str, output: Path) -> None:
    """Convert a Keras 3 model by the torch → ``target`` route.

    Raises:
        ConversionError: Keras cannot rebuild it on torch, it answers otherwise there, or the route refuses it.
        MissingDependencyError: torch is not installed.
    """
    import importlib.util

    asked = f"convert to {target}"
    if importlib.util.find_spec("torch") is None:
        raise missing(f"{asked} a recurrent Keras model", "torch", "torch")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with warnings.catch_warnings():
            # Keras hands its variables to h5py, and TensorFlow's lack an argument that numpy 2 wants.
            warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
            source.native.save(folder / "model.keras")
        _save(folder / "in.npz", [options.example[name] for name in source.signature.input_names])
        job = {
            "signature": source.signature.to_json(),
            "taken": list(source.taken),
            "inputs": dict(options.inputs),
            "outputs": dict(options.outputs),
            "scheme": options.scheme,
            "target": target,
            "output": str(output.resolve()),
        }
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        code = _run(folder)
        path = folder / "result.json"
        if not path.exists():
            raise ConversionError(asked, f"Keras on torch ended with exit code {code}", "the log has its own words")
        result = json.loads(path.read_text(encoding="utf-8"))
        if result:
            raise EdgekitError.from_json(result)
        with np.load(folder / "out.npz") as file:
            answer = {name: file[f"x{i}"] for i, name in enumerate(source.signature.output_names)}
    verdict = compare([source.predict(options.example)], [answer], _SAME, executed_by="Keras on torch")
    if not verdict:
        why = f"the model answers otherwise on Keras's torch backend ({'; '.join(verdict.problems)})"
        raise ConversionError(asked, why, f"leave {target} out for this model")


def _run(folder: Path) -> int:
    """The exit code of the other process, which ends when this one does: its standard input closes."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": "torch",
        "CUDA_VISIBLE_DEVICES": "-1",
        "PYTHONPATH": os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path if entry),
    }
    command = [sys.executable, "-m", "edgekit.convert.keras_on_torch", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=folder, env=environment) as process:
        try:
            return process.wait()
        except BaseException:
            process.kill()
            raise


def _save(path: Path, arrays: Sequence[Array]) -> None:
    named: dict[str, Any] = {f"x{index}": array for index, array in enumerate(arrays)}
    np.savez(path, **named)


def main() -> None:
    """The other process: do the job of the folder that the command line names."""
    folder = Path(sys.argv[1])
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    result: dict[str, Any] = {}
    try:
        _convert(job, folder)
    except EdgekitError as error:
        result = error.to_json()
    except Exception as error:  # noqa: BLE001 - the parent reports it
        import traceback

        from edgekit.convert.diagnose import as_conversion_error

        traceback.print_exc()
        result = as_conversion_error(error, f"convert to {job['target']}", "rebuild on Keras's torch backend").to_json()
    sys.stdout.flush()
    sys.stderr.flush()
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    os._exit(0)


def _convert(job: Mapping[str, Any], folder: Path) -> None:
    import keras

    from edgekit.convert import registry
    from edgekit.convert.options import ConvertOptions
    from edgekit.sources import torch as torch_source
    from edgekit.sources.base import LoadRequest
    from edgekit.sources.tensorflow_interface import keras_interface

    signature = Signature.from_json(job["signature"])
    # The parent has loaded this very model, with whatever trust that took.
    model = keras.models.load_model(folder / "model.keras", compile=False, safe_mode=False)
    _unroll(model)
    request = LoadRequest(
        model="the Keras model on torch",
        shapes={spec.name: spec.shape for spec in signature.inputs},
        dtypes={spec.name: spec.dtype for spec in signature.inputs},
        input_names=signature.input_names,
        output_names=signature.output_names,
    )
    try:
        source = torch_source.wrap(_flat_module(model, keras_interface(model), job["taken"]), request)
    except Exception as error:
        why = f"Keras's torch backend, by which recurrent models go, cannot run this one ({_said(error)})"
        raise ConversionError(
            f"convert to {job['target']}", why, f"leave {job['target']} out for this model"
        ) from error
    with np.load(folder / "in.npz") as file:
        example = {name: file[f"x{i}"] for i, name in enumerate(signature.input_names)}
    answer = source.predict(example)
    _save(folder / "out.npz", [answer[name] for name in signature.output_names])
    _alias_operators()
    options = ConvertOptions(inputs=job["inputs"], outputs=job["outputs"], example=example, scheme=job["scheme"])
    registry.get("torch", job["target"]).convert(source, options, Path(job["output"]))


def _unroll(model: Any) -> None:
    """Unroll the recurrent layers that Keras's torch backend runs in a loop whose end is a tensor: no trace holds it.

    LSTM and GRU have their own way there, unless their input is masked.
    """
    import keras

    layers = list(model._flatten_layers())
    masked = any(isinstance(x, keras.layers.Masking) or getattr(x, "mask_zero", False) for x in layers)
    for layer in layers:
        if isinstance(layer, keras.layers.RNN) and (
            masked or not isinstance(layer, keras.layers.LSTM | keras.layers.GRU)
        ):
            layer.unroll = True


def _alias_operators() -> None:
    """Comparisons under the names that Keras calls them by, of which coremltools knows the short ones only."""
    from edgekit.convert.coreml_file import import_coremltools

    import_coremltools("torch")
    from coremltools.converters.mil.frontend.torch import torch_op_registry

    known = torch_op_registry._TORCH_OPS_REGISTRY
    short = {"not_equal": "ne", "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le"}
    for name, same in short.items():
        if known.get_func(name) is None:
            known.set_func_by_name(known.get_func(same), name)


def _said(error: BaseException) -> str:
    """What went wrong, without the list of arguments that Keras adds."""
    cause = error.__cause__ or error
    text = re.sub(r"\x1b\[\d*m", "", str(cause)).partition("Arguments received by")[0]
    return " ".join(text.split())[:240] or type(cause).__name__


def _flat_module(model: Any, interface: Any, taken: list[str]) -> Any:
    """The model as a module that takes its tensors by position and gives a flat tuple."""
    import torch

    class Flat(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> tuple[Any, ...]:
            return tuple(value for _, value in interface.answer(dict(zip(taken, tensors, strict=True))))

    return Flat()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(130)


if __name__ == "__main__":
    main()
