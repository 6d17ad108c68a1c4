"""The rules: each looks at what was observed and says what it means for fewer bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgekit.diagnosis.observe import Observed
from edgekit.quantize.ranges import Spread

# From here on one scale for both leaves the smaller less than two of 256 levels.
_APART = 100.0
# The loudest channel beside the median one: then the median keeps less than 13 levels.
_OUTLIER, _CHANNELS = 20.0, 8
_HALF = float(np.finfo(np.float16).max)
_CONCATS = ("cat", "concat", "concatenate")
_UNLIKE = 3.0


@dataclass(frozen=True)
class Finding:
    """Something that fewer bits will not bear, or that is wrong already.

    Attributes:
        kind: ``ranges-apart``, ``outlier-channels``, ``overflow``, ``constant``, ``unlike`` or ``beyond``.
        layer: in the model's own words.
        what: what was seen, with its numbers.
        todo: what helps.
    """

    kind: str
    layer: str
    what: str
    todo: str

    def to_json(self) -> dict[str, str]:
        """``{"kind", "layer", "what", "todo"}``."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.layer}: {self.what}; {self.todo}"


def ranges_apart(found: Mapping[str, Observed]) -> Iterator[Finding]:
    """Concatenations of parts that one scale cannot serve."""
    for one in found.values():
        if not _is(one, _CONCATS):
            continue
        parts = [found[key] for key in one.tensor.reads if key in found and found[key].reach > 0]
        if len(parts) < 2:
            continue
        small, large = (choose(parts, key=lambda part: part.reach) for choose in (min, max))
        ratio = large.reach / small.reach
        if ratio >= _APART:
            what = (
                f"it joins {small.tensor.layer} (up to {small.reach:.3g}) with {large.tensor.layer} "
                f"(up to {large.reach:.3g}), {ratio:.0f} x apart: in 8 bits the smaller keeps {256 / ratio:.1f} levels"
            )
            todo = "scale the parts alike before they are joined, or leave this layer in float32 (edgekit tune)"
            yield Finding("ranges-apart", _name(one), what, todo)


def outlier_channels(found: Mapping[str, Observed]) -> Iterator[Finding]:
    """Few channels that stretch the range of all."""
    reported: set[str] = set()
    for one in found.values():
        if len(one.largest) < _CHANNELS or one.tensor.layer in reported:
            continue
        median = float(np.median(one.largest))
        loud = np.flatnonzero(one.largest > _OUTLIER * median)
        # Where most channels are silent there is nothing that they could lose.
        if median <= 0 or not len(loud) or len(loud) > len(one.largest) // 8:
            continue
        reported.add(one.tensor.layer)
        channel = int(one.largest.argmax())
        ratio = float(one.largest[channel]) / median
        others = f" and {len(loud) - 1} more" if len(loud) > 1 else ""
        what = (
            f"channel {channel}{others} of {len(one.largest)} reaches {one.largest[channel]:.3g}, the median channel "
            f"{median:.3g} ({ratio:.0f} x): in 8 bits most channels keep {256 / ratio:.0f} levels"
        )
        todo = "try --ranges percentile, or leave the layers that read it in float32 (edgekit tune)"
        yield Finding("outlier-channels", _name(one), what, todo)


def overflows(found: Mapping[str, Observed]) -> Iterator[Finding]:
    """Values that half precision does not hold."""
    for one in found.values():
        if one.spread.unlike:
            what = f"{one.spread.unlike} of its values are NaN or infinite"
            yield Finding("overflow", _name(one), what, "mend the model or the samples: no format can help")
        elif one.reach > _HALF:
            what = f"it reaches {one.reach:.4g}, half precision ends at {_HALF:.0f}: float16 makes it infinite"
            todo = "scale it down, or leave float16 out where arithmetic is done in it (Core ML, GPUs, TensorRT)"
            yield Finding("overflow", _name(one), what, todo)


def constants(found: Mapping[str, Observed], samples: int) -> Iterator[Finding]:
    """Outputs, and layers, that are the same for every sample."""
    if samples < 2:
        return
    for one in found.values():
        if one.varies:
            continue
        if one.tensor.output:
            what = f"the output {one.tensor.output} is the same for all {samples} samples"
            todo = (
                "check the model and the samples; of a quantized file: convert it again with samples like the real ones"
            )
            yield Finding("constant", _name(one), what, todo)
        elif one.reach == 0:
            what = f"it is zero for all {samples} samples"
            todo = "a dead layer, or samples that never wake it: its range cannot be told from them"
            yield Finding("constant", _name(one), what, todo)


def unlike(calibration: Mapping[str, Spread], samples: Mapping[str, Spread]) -> Iterator[Finding]:
    """Inputs whose samples for ranges do not look like the others: most often another preprocessing."""
    for name, own in calibration.items():
        other = samples[name]
        widths = [(one.high - one.low) or abs(one.high) for one in (own, other)]
        narrow = min(widths) or 1e-12
        apart = max(own.low - other.high, other.low - own.high, 0.0)
        if max(widths) / narrow < _UNLIKE and not apart:
            continue
        what = (
            f"its samples for ranges lie between {own.low:.4g} and {own.high:.4g}, "
            f"the others between {other.low:.4g} and {other.high:.4g}"
        )
        todo = "prepare both the same way: ranges of other data cut off, or waste, most of the levels"
        yield Finding("unlike", f"input {name}", what, todo)


def _is(one: Observed, operations: tuple[str, ...]) -> bool:
    return one.tensor.op.lower().rstrip("0123456789v_") in operations


def _name(one: Observed) -> str:
    op = one.tensor.op
    return one.tensor.layer if op.lower() in one.tensor.layer.lower() else f"{one.tensor.layer} ({op})"


RULES: tuple[Callable[[Any], Iterator[Finding]], ...] = (ranges_apart, outlier_channels, overflows)
