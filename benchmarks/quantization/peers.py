"""The others: each makes its int8 file of the same network and the same samples, with its defaults.

nncf and olive-ai pin what edgekit's environment cannot have, so each runs in an environment of its own
(``make bench-quantization`` builds them in ``build/quantization-peers``) and leaves a file; all are executed here.
"""

from __future__ import annotations

import subprocess
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgekit.errors import ConversionError
from quantization.networks import Floats

FOLDER = Path(__file__).resolve().parents[2] / "build" / "quantization-peers"
_SCRIPTS = Path(__file__).parent
_LONGEST = 1800.0
INPUT = "x"


def plain_onnx(network: torch.nn.Module, inputs: Floats, path: Path) -> Path:
    """(a) float32 through PyTorch's own exporter."""
    if not path.exists():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network, (torch.from_numpy(inputs[:1]),), path, dynamo=True, input_names=[INPUT],
                external_data=False, verbose=False,
            )  # fmt: skip
    return path


def _onnxruntime(float32: Path, inputs: Floats, output: Path) -> None:
    """(b) onnxruntime.quantization.quantize_static after its own pre-processing."""
    from onnxruntime.quantization import CalibrationDataReader, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Rows(CalibrationDataReader):  # type: ignore[misc]  # its package has no types
        def __init__(self) -> None:
            self.rows: Iterator[Floats] = iter(inputs)

        def get_next(self) -> dict[str, Floats] | None:
            row = next(self.rows, None)
            return None if row is None else {INPUT: row[None]}

    prepared = output.with_suffix(".prepared.onnx")
    quant_pre_process(float32, prepared, skip_symbolic_shape=True)
    quantize_static(prepared, output, Rows())
    prepared.unlink()


def _ai_edge(float32: Path, inputs: Floats, output: Path) -> None:
    """(c) ai-edge-quantizer's static_wi8_ai8."""
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer import quantizer, recipe

    name = next(iter(Interpreter(str(float32)).get_signature_list()["serving_default"]["inputs"]))
    made = quantizer.Quantizer(str(float32))
    made.load_quantization_recipe(recipe.static_wi8_ai8())
    ranges = made.calibrate({"serving_default": [{name: row[None]} for row in inputs]})
    made.quantize(ranges).export_model(str(output), overwrite=True)


def plain_tflite(network: torch.nn.Module, inputs: Floats, path: Path) -> Path:
    """float32 through litert-torch, channels last where the input is a picture, as its documentation has it."""
    import litert_torch

    given = torch.from_numpy(inputs[:1])
    if not path.exists():
        if given.ndim == 4:
            network, given = litert_torch.to_channel_last_io(network, args=[0]), given.permute(0, 2, 3, 1).contiguous()
        litert_torch.convert(network.eval(), (given,)).export(str(path))
    return path


def _apart(script: str, environment: str) -> Callable[[Path, Floats, Path], None]:
    def run(float32: Path, inputs: Floats, output: Path) -> None:
        """(d) in an environment of its own."""
        rows = output.with_suffix(".npy")
        np.save(rows, inputs)
        python = FOLDER / environment / "bin" / "python"
        if not python.exists():
            raise ConversionError(environment, f"its environment is not in {FOLDER}", "run: make bench-quantization")
        command = [str(python), str(_SCRIPTS / script), str(float32), str(rows), str(output)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LONGEST, check=False, cwd=output.parent)
        rows.unlink()
        if done.returncode or not output.exists():
            last = (done.stderr.strip() or done.stdout.strip() or "it wrote nothing").splitlines()[-1]
            raise ConversionError(environment, last, "")

    return run


# By name: the target, and what writes its file from a float32 file.
PEERS: dict[str, tuple[str, Callable[[Path, Floats, Path], None]]] = {
    "onnxruntime": ("onnx", _onnxruntime),
    "ai-edge-quantizer": ("tflite", _ai_edge),
    "nncf": ("onnx", _apart("nncf_int8.py", "nncf")),
    "olive-ai": ("onnx", _apart("olive_int8.py", "olive")),
}


def made_by_peers(network: torch.nn.Module, inputs: Floats, folder: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Every peer's file by its name, and why there is none of the others.

    Args:
        network: in float32.
        inputs: for ranges [n, …].
        folder: of the files; what is there already is taken.
    """
    bases = {
        "onnx": plain_onnx(network, inputs, folder / "plain.onnx"),
        "tflite": plain_tflite(network, inputs, folder / "plain.tflite"),
    }
    files, failed = {"plain": bases["onnx"], "plain LiteRT": bases["tflite"]}, {}
    for name, (target, make) in PEERS.items():
        path = folder / f"{name}.{target}"
        # ai-edge-quantizer takes what the channels-last file takes.
        given = inputs.transpose(0, 2, 3, 1) if target == "tflite" and inputs.ndim == 4 else inputs
        try:
            if not path.exists():
                make(bases[target], given, path)
            caller(path)(inputs[:1])
            files[name] = path
        except Exception as error:  # noqa: BLE001 - whatever a peer raises is its own failure
            path.unlink(missing_ok=True)
            failed[name] = _said(error)
    return files, failed


def _said(error: Exception) -> str:
    """What was wrong, in one line; of ONNX Runtime's the node and the reason, without its source's line."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    node, found, reason = line.partition(" Status Message: ")
    return f"{node.rpartition('while ')[2]} {reason.partition(' was false. ')[2] or reason}" if found else line


def caller(path: Path) -> Callable[[Floats], Any]:
    """A function that runs a file on one input [1, …], one thread, by the runtime's own calls."""
    if path.suffix == ".onnx":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda row: session.run(None, {name: row})[0]
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    given, found = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = given["quantization"]

    def call(row: Floats) -> Any:
        if row.ndim == 4:
            row = row.transpose(0, 2, 3, 1)
        if scale:
            row = np.clip(np.round(row / scale) + zero, -128, 127).astype(given["dtype"])
        interpreter.set_tensor(given["index"], row)
        interpreter.invoke()
        answer = interpreter.get_tensor(found["index"])
        factor, offset = found["quantization"]
        return (answer.astype(np.float32) - offset) * factor if factor else answer

    return call
