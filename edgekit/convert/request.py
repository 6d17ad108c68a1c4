"""What the user asks of a conversion, checked before anything is loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgekit import devices
from edgekit.convert.registry import TARGETS
from edgekit.devices import DeviceProfile
from edgekit.errors import InputError
from edgekit.metrics.metric import NAMES, metric_named
from edgekit.quantize import SCHEMES
from edgekit.quantize.ranges import METHODS
from edgekit.signature import DTYPES
from edgekit.verify.tolerance import Tolerance

LAYOUTS = ("nhwc",)
COLUMNS = ("named", "matrix")


@dataclass(frozen=True)
class ConvertRequest:
    """A conversion, as asked for; JSON both ways, because each target runs in a process of its own.

    Attributes:
        model: a path or ``package.module:factory``; for a live object, its class's name.
        targets: what to make, in the user's order.
        schemes: ``float32`` and what ``--quantize`` added.
        samples: a path of samples, or ``None`` for random ones.
        preprocessing: the preprocessing contract's JSON, or ``None``.
        weights: weights for a factory.
        trust: whether pickles may be loaded.
        layout: ``nhwc`` for model files that take images channel-last, ``None`` to keep the model's own.
        dynamic: ``("batch",)`` or nothing.
        input_names: the user's names for the inputs, in order.
        output_names: the user's names for the outputs, in order.
        shapes: input shapes by name.
        dtypes: input dtypes by name.
        columns: of models that take rows of columns: ``named`` for an input a column, ``matrix`` for one input of all,
            ``None`` to leave it to the model.
        tolerance: the user's bounds, in place of the route's and the scheme's.
        calibration: a path of samples for the ranges of calibrated schemes, or ``None`` to split ``samples``.
        ranges: how the ranges of calibrated schemes follow from the values seen.
        device: the class of devices that the files are for, or ``None`` for this machine.
        metric: what to measure by the labels, by name, or ``None``.
        labels: a path of what is right of each of the samples, or ``None``.
        allow_slower: whether quantized files may be slower than float32.
        integer_io: whether files of integer activations take and give integers themselves.
        seed: for random samples.
        threads: threads of the runtimes that verify.
    """

    model: str
    targets: tuple[str, ...]
    schemes: tuple[str, ...] = ("float32",)
    samples: str | None = None
    preprocessing: Mapping[str, Any] | None = None
    weights: str | None = None
    trust: bool = False
    layout: str | None = None
    dynamic: tuple[str, ...] = ()
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    dtypes: Mapping[str, str] = field(default_factory=dict)
    columns: str | None = None
    tolerance: Mapping[str, float] = field(default_factory=dict)
    calibration: str | None = None
    ranges: str = "minmax"
    device: str | None = None
    metric: str | None = None
    labels: str | None = None
    allow_slower: bool = False
    integer_io: bool = False
    seed: int = 0
    threads: int | None = None

    def __post_init__(self) -> None:
        _known("target", self.targets, TARGETS, "targets")
        if not self.schemes:
            raise InputError(
                "--only", "it leaves float32 out, and nothing else was asked for", "add --quantize float16"
            )
        _known("scheme", self.schemes, tuple(SCHEMES), "schemes")
        if self.dynamic:
            _known("dynamic dimension", self.dynamic, ("batch",), "dimensions that can be dynamic")
        _known("--ranges", (self.ranges,), METHODS, "ways to find ranges")
        if self.device is not None:
            self._check_device(devices.get(self.device))
        self._check_metric()
        if self.layout is not None:
            _known("layout", (self.layout,), LAYOUTS, "layouts")
        if self.columns is not None:
            _known("--columns", (self.columns,), COLUMNS, "ways to take columns")
        for name, dtype in self.dtypes.items():
            _known(f"dtype of input {name!r}:", (dtype,), DTYPES, "dtypes")
        for name, shape in self.shapes.items():
            if any(size < 1 for size in shape):
                raise InputError(
                    f"--input-shape {name}={shape}", "sizes are positive", "use --dynamic batch for an open batch"
                )
        Tolerance().replaced(self.tolerance)
        if self.threads is not None and self.threads < 1:
            raise InputError(f"--threads {self.threads}", "at least one thread is needed", "give a positive number")

    def _check_device(self, device: DeviceProfile) -> None:
        """A file that nothing on the device runs is of no use there."""
        runtimes = {runtime.format: runtime.name for runtime in device.runtimes}
        for target in self.targets:
            if target not in runtimes:
                has = ", ".join(f"{known} ({name})" for known, name in runtimes.items())
                why = f"nothing on a {device.name} runs it"
                raise InputError(f"--to {target} --device {device.id}", why, f"its formats: {has}")

    def _check_metric(self) -> None:
        if self.metric is not None:
            metric_named(self.metric)
            if self.labels is None:
                raise InputError(
                    f"--metric {self.metric}", "there are no labels to measure it by", "give --labels y.npy"
                )
        elif self.labels is not None:
            names = ", ".join(NAMES)
            raise InputError(f"--labels {self.labels}", "nothing is measured by them", f"give --metric: {names}")

    def to_json(self) -> dict[str, Any]:
        """The request as a JSON object."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> ConvertRequest:
        """The request that :meth:`to_json` wrote."""
        tuples = {key: tuple(value) for key, value in data.items() if isinstance(value, list)}
        shapes = {name: tuple(shape) for name, shape in data["shapes"].items()}
        return ConvertRequest(**{**data, **tuples, "shapes": shapes})


def _known(what: str, given: Sequence[str], known: Sequence[str], plural: str) -> None:
    if not given:
        raise InputError(f"no {what}", "nothing to do", f"{plural}: {', '.join(known)}")
    for one in given:
        if one not in known:
            raise InputError(f"{what} {one!r}", "there is no such thing", f"{plural}: {', '.join(known)}")
