"""Trees written in the way that is fastest in a format: for ONNX its own operator, for TFLite what is measured."""

from __future__ import annotations

import dataclasses
import importlib.util
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.bench.interleaved import compare_callables
from edgekit.convert.options import ConvertOptions
from edgekit.runtime.loading import executable, open_engine

Convert = Callable[[ConvertOptions, Path], None]

# Layouts that are estimated to take this many times as long as the best are not measured.
_WORTH = 2.0
_MOST_MEASURED = 3
# Nodes of a tree up to which a product over all its leaves' ways can pay.
_SMALL = 15
_SECONDS = 1.0
# A layout that is estimated to be better stays unless another is measured to be this much faster.
_CLEARLY = 0.1


@dataclass(frozen=True)
class _Layout:
    name: str
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.name != "lookup":
            return {"gemm": "matrix products", "traversal": "a table walked level by level"}[self.name]
        top = self.settings["top"]
        return f"look-ups below {top} level{'s' if top > 1 else ''} compared at once"


def convert_laid_out(
    module: Any, target: str, rows: int, convert: Convert, options: ConvertOptions, output: Path
) -> None:
    """Convert a classical model's module with its trees, if there are any, in the layout that suits the target.

    Args:
        module: the whole model; its trees are laid out anew.
        target: the format.
        rows: how many rows a call the file is to take.
        convert: writes a file of the module as it is laid out.
        options: for ``convert``; its notes say what was measured.
        output: the model file.
    """
    from edgekit.classical.trees.forest import forests, lay_out

    if not any(True for _ in forests(module)):
        convert(options, output)
    elif target == "onnx":
        from edgekit.classical.trees.layouts.operator import translations

        lay_out(module, "operator")
        convert(dataclasses.replace(options, translations=translations()), output)
        options.notes.append("trees as ai.onnx.ml's own operator, TreeEnsembleRegressor")
    elif target == "tflite" and not executable(target) and _has_operators():
        _convert_fastest(module, rows, convert, options, output)
    else:
        convert(options, output)
        options.notes.append(f"trees as {_Layout('traversal')}; no other layout could be measured here")


def _has_operators() -> bool:
    """Whether litert-torch's own operators, which the layouts for TFLite need, are there; registers them."""
    try:
        found = importlib.util.find_spec("litert_torch.backend.experimental.torch_tfl")
    except ModuleNotFoundError:
        return False
    if found is not None:
        importlib.import_module("litert_torch.backend.experimental.torch_tfl")
    return found is not None


def _convert_fastest(module: Any, rows: int, convert: Convert, options: ConvertOptions, output: Path) -> None:
    from edgekit.classical.trees.forest import lay_out

    layouts = _candidates(module, rows)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".edgekit-") as folder:
        files = [Path(folder) / f"{number}.tflite" for number in range(len(layouts))]
        for layout, file in zip(layouts, files, strict=True):
            lay_out(module, layout.name, **layout.settings)
            convert(options, file)
        best, note = _fastest(layouts, files, options, rows)
        files[best].replace(output)
    options.notes.append(note)


def _candidates(module: Any, rows: int) -> list[_Layout]:
    """The layouts worth a measurement, by estimate."""
    from edgekit.classical.trees.forest import forests
    from edgekit.classical.trees.layouts import lookup

    ensembles = [part.ensemble for part in forests(module)]
    if rows == 1:
        # Comparing whole levels pays where several rows share what it costs.
        return [_Layout("traversal"), _Layout("lookup", {"top": 1, "by": "nodes"})]
    deepest = max(tree.depth() for ensemble in ensembles for tree in ensemble.trees)
    tops = sorted({min(top, max(deepest, 1)) for top in (3, 4, 5)})
    costs = {top: sum(lookup.cheapest(ensemble, top, rows)[0] for ensemble in ensembles) for top in tops}
    worth = [top for top in sorted(tops, key=costs.__getitem__) if costs[top] <= _WORTH * min(costs.values())]
    layouts = [_Layout("lookup", {"top": top, "rows": rows}) for top in worth[: _MOST_MEASURED - 1]]
    if all(len(tree.feature) // 2 <= _SMALL for ensemble in ensembles for tree in ensemble.trees):
        layouts.append(_Layout("gemm"))
    return layouts


def _fastest(layouts: list[_Layout], files: list[Path], options: ConvertOptions, rows: int) -> tuple[int, str]:
    """The number of the fastest file, and what was measured in words."""
    a_call = "a row" if rows == 1 else f"{rows} rows"
    if len(layouts) == 1:
        return 0, f"trees as {layouts[0]}: the only layout that seemed worth it"
    timed = {str(layout): _call(file, options) for layout, file in zip(layouts, files, strict=True)}
    run = compare_callables(timed, max_seconds=_SECONDS)
    first = str(layouts[0])
    # By the rounds' own ratios: what slowed the machine in a round slowed both.
    times = {first: 1.0, **{name: ratio.hodges_lehmann for name, ratio in run.ratios.items()}}
    best = min((name for name in times if times[name] < 1 - _CLEARLY), key=times.__getitem__, default=first)
    others = "; ".join(f"{name}: {times[name] / times[best]:.2f} x as long" for name in times if name != best)
    microseconds = run.medians_ns[best] / 1000
    return list(times).index(best), f"trees as {best}, {microseconds:.0f} us for {a_call} here ({others})"


def _call(file: Path, options: ConvertOptions) -> Callable[[], object]:
    engine = open_engine("tflite", file, threads=1)
    buffers = engine.buffers({options.inputs[name]: array.shape for name, array in options.example.items()})
    for name, array in options.example.items():
        buffers.inputs[options.inputs[name]][...] = array
    invoke: Callable[[], object] = buffers.invoke
    return invoke
