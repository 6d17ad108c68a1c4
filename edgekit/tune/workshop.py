"""Where candidates are made and measured: one loaded original, its answers, and a folder of files."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.bundle.digest import companions, measure
from edgekit.convert.diagnose import as_conversion_error
from edgekit.convert.inprocess import captured
from edgekit.convert.make import Made, Variant, check_targets, make_scheme
from edgekit.convert.prepare import Prepared
from edgekit.convert.request import ConvertRequest
from edgekit.errors import EdgekitError
from edgekit.quantize import SCHEMES, coreml_integer, onnx_integer, tflite
from edgekit.quantize import registry as quantizers
from edgekit.runtime.loading import open_engine
from edgekit.signature import Array
from edgekit.tune.candidate import Candidate, Tried
from edgekit.tune.journal import Journal
from edgekit.verify.compare import sqnr_db
from edgekit.verify.execute import execute, glanced, timed_together
from edgekit.verify.speed import Rival, Speed

# Samples by which layers are ordered.
_PROBED = 16
# What a file is measured on that is too slow to win: it would take the longest.
_IF_SLOWER = 1000
_LONGEST_NAME = 60
Step = Callable[[str], None]
# Of each target and scheme, what lists the layers that can be left in float one by one.
_LAYERS: dict[tuple[str, str], Callable[[Path], list[str]]] = {
    ("onnx", "int8"): onnx_integer.layers,
    ("tflite", "int8"): tflite.layers,
    ("tflite", "int16x8"): tflite.layers,
    ("coreml", "int8"): coreml_integer.layers,
}


@dataclass(frozen=True)
class _Begun:
    """A candidate that was made: its file, or why there is none, what a second told of its speed, and what it took."""

    made: Made | None
    speed: Speed | None
    error: str
    seconds: float


class Workshop:
    """Makes candidates and measures them, each once."""

    def __init__(
        self,
        prepared: Prepared,
        request: ConvertRequest,
        reference: Sequence[Mapping[str, Array]] | None,
        journal: Journal,
        work: Path,
        step: Step,
        *,
        for_speed: bool,
    ) -> None:
        self._for_speed = for_speed
        self._prepared, self._request, self._reference = prepared, request, reference
        self._planned = check_targets(prepared, request)
        self._work, self._step = work, step
        self._seen: dict[str, dict[str, Any]] = {}
        self._begun: dict[Candidate, _Begun] = {}
        self.journal = journal

    def schemes(self, target: str) -> list[str]:
        """The schemes that a target can be tried in, float32 first."""
        route, _ = self._planned[target]
        every = ["float32", *route.schemes, *quantizers.schemes_of(target)]
        return [
            one for one in dict.fromkeys(every) if not SCHEMES[one].calibrated or self._prepared.calibration is not None
        ]

    def tried(self, candidate: Candidate, rival: float = 0.0) -> Tried:
        """Make a candidate's file and measure it, unless the journal has it.

        Args:
            candidate: what to try.
            rival: where speed counts, the speed-up below which it cannot win.
        """
        found = self.journal.get(candidate)
        if found is None:
            self._step(f"try {candidate.target} {candidate.name}{self._left()}")
            found = self._try(candidate, Rival(rival, _IF_SLOWER) if self._for_speed else None)
            self.journal.add(found)
        return found

    def _left(self) -> str:
        """How long the schemes that are left may take, from those tried; repairs come on top."""
        every = [Candidate(target, scheme) for target in self._planned for scheme in self.schemes(target)]
        left = sum(self.journal.get(one) is None for one in every)
        took = [one.seconds for one in self.journal.all]
        if not left or not took:
            return ""
        seconds = left * sum(took) / len(took)
        time_left = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
        return f" ({len(every) - left + 1} of {len(every)} schemes, about {time_left} left)"

    def layers(self, candidate: Candidate) -> list[str]:
        """The layers that can be left in float one by one, in the file's order; empty where none can be."""
        listed = _LAYERS.get((candidate.target, candidate.scheme))
        base = self.tried(Candidate(candidate.target, "float32")).made
        return listed(base.path) if listed is not None and base is not None else []

    def by_sensitivity(self, candidate: Candidate) -> list[str]:
        """The layers that can be left in float, the one that costs most alone first; empty where none can be.

        Each layer is quantized with all others in float32; what that leaves of the outputs is its SQNR.
        """
        every, base = self.layers(candidate), self.tried(Candidate(candidate.target, "float32")).made
        if not every or base is None:
            return []
        runs = list(self._prepared.samples.head(min(_PROBED, len(self._prepared.samples))).runs(batch=1))
        engine = open_engine(candidate.target, base.path, threads=self._request.threads)
        given = [{one.native: run[one.name] for one in base.inputs} for run in runs]
        wanted = [engine.run(run) for run in given]
        left: dict[str, float] = {}
        for place, layer in enumerate(every):
            self._step(f"quantize layer {place + 1} of {len(every)} alone: {_short(layer)}")
            variant = Variant(
                f"{candidate.scheme}-alone",
                candidate.ranges,
                frozenset(),
                frozenset({layer}),
                self._seen.setdefault(candidate.target, {}),
            )
            try:
                made = self._make(candidate.target, candidate.scheme, variant)
            except EdgekitError:  # the scheme cannot take this layer: nothing to leave out
                continue
            alone = open_engine(candidate.target, made.path, threads=self._request.threads)
            left[layer] = _sqnr(wanted, [alone.run(run) for run in given])
        return sorted(left, key=lambda layer: (left[layer], every.index(layer)))

    def _make(self, target: str, scheme: str, variant: Variant) -> Any:
        planned = self._planned[target]
        request = self._request
        if scheme != "float32":
            # The metric decides; what is broken (constant, NaN, more noise than signal) fails all the same.
            request = replace(request, tolerance={"sqnr_db": 0.0, "label_agreement": 0.0} | dict(request.tolerance))
        with captured(self._work / "log.txt"):
            return make_scheme(self._prepared, request, planned, scheme, self._work, _quiet, variant)

    def glimpsed(self, candidate: Candidate) -> float:
        """How many times float32's speed a second tells that it is, or what the journal has; 1 where nothing tells."""
        found = self.journal.get(candidate)
        if found is not None:
            return found.speedup
        if candidate not in self._begun:
            self._step(f"glance at {candidate.target} {candidate.name}")
            self._begun[candidate] = self._begin(candidate)
        speed = self._begun[candidate].speed
        return speed.speedup if speed is not None else 1.0

    def _begin(self, candidate: Candidate, *, look: bool = True) -> _Begun:
        """Make a candidate's file and look at its speed."""
        started = time.perf_counter()
        target, scheme = candidate.target, candidate.scheme
        made, speed, error = None, None, ""
        try:
            made = self._make(target, scheme, candidate.variant(self._seen.setdefault(target, {})))
            if look:
                shown = self._prepared.signature, self._prepared.samples, self._request.threads
                speed = glanced(target, made, *shown)
        except Exception as raised:  # noqa: BLE001 - whatever a vendor raises is this candidate's failure
            error = self._failure(candidate, raised)
        return _Begun(made, speed, error, time.perf_counter() - started)

    def _try(self, candidate: Candidate, rival: Rival | None) -> Tried:
        begun = self._begun.pop(candidate, None) or self._begin(candidate, look=False)
        made, target, started = begun.made, candidate.target, time.perf_counter() - begun.seconds
        if made is None or begun.error:
            return Tried(candidate, None, None, 0, None, begun.seconds, begun.error)
        try:
            size = measure(made.path, made.path.name, companions(made.path)).bytes
            verdict, call_ms = execute(
                target,
                made,
                self._prepared.signature,
                self._prepared.samples,
                self._reference,
                metric=self._request.metric,
                threads=self._request.threads,
                rival=rival,
                at_a_glance=begun.speed,
            )
            if verdict.speed is not None:
                call_ms = self._call_ms(target, verdict.speed) or call_ms
        except Exception as error:  # noqa: BLE001 - whatever a vendor raises is this candidate's failure
            told = self._failure(candidate, error)
            return Tried(candidate, None, None, 0, None, time.perf_counter() - started, told)
        return Tried(candidate, made, verdict, size, call_ms, time.perf_counter() - started, verdict.reason)

    def run_off(self, several: Sequence[Tried]) -> list[Tried]:
        """Candidates of one target that were timed before, timed once more in one run, unless they were.

        Args:
            several: two or more of them.
        """
        target = several[0].candidate.target
        speeds_so_far = [one.verdict.speed for one in several if one.verdict is not None]
        if len({speed.float32_ms for speed in speeds_so_far if speed is not None}) == 1:
            return list(several)
        self._step(f"time {len(several)} {target} files beside each other")
        files = {one.candidate.name: one.made for one in several if one.made is not None}
        shown = self._prepared.signature, self._prepared.samples, self._request.threads
        try:
            speeds = timed_together(target, files, *shown)
        except Exception as error:  # noqa: BLE001 - whatever a runtime raises: each has its own measurement
            self._step(self._failure(several[0].candidate, error))
            return list(several)
        again = [self._timed_as(one, speeds[one.candidate.name]) for one in several]
        for one in again:
            self.journal.add(one)
        return again

    def _timed_as(self, one: Tried, speed: Speed) -> Tried:
        """A candidate with another measurement of its speed; what two said of slower or faster stands."""
        if one.verdict is None or one.verdict.speed is None:
            return one
        verdict = replace(one.verdict, speed=replace(speed, word=one.verdict.speed.word))
        return replace(one, verdict=verdict, call_ms=self._call_ms(one.candidate.target, speed) or speed.ms)

    def _call_ms(self, target: str, speed: Speed) -> float | None:
        """Timed in turn with float32: on a busy machine the ratio is what can be trusted."""
        base = self.journal.get(Candidate(target, "float32"))
        return None if base is None or base.call_ms is None else base.call_ms / speed.speedup

    def _failure(self, candidate: Candidate, error: Exception) -> str:
        if isinstance(error, EdgekitError):
            return str(error)
        asked = f"convert to {candidate.target} {candidate.scheme}"
        return str(as_conversion_error(error, asked, candidate.name, self._prepared.source))


def _short(layer: str) -> str:
    """The end of a name: LiteRT's hold every module around."""
    return layer if len(layer) <= _LONGEST_NAME else f"…{layer[-_LONGEST_NAME:]}"


def _quiet(step: str) -> None:
    del step


def _sqnr(wanted: Sequence[Mapping[str, Array]], found: Sequence[Mapping[str, Array]]) -> float:
    """The least SQNR of the outputs, dB."""
    values = []
    for name in wanted[0]:
        if wanted[0][name].dtype.kind != "f":
            continue
        original = np.stack([run[name] for run in wanted]).astype(np.float64)
        values.append(sqnr_db(original, original - np.stack([run[name] for run in found])))
    return min(values, default=float("inf"))
