"""One fresh process of a measurement: ``python -m edgekit.bench.worker``, on the device, with numpy and a runtime.

It takes one line of JSON on standard input, gives one JSON document on standard output, and ends when its parent does:
the parent keeps the other end of its standard input open. Durations are raw nanoseconds; nothing is computed here
that could be computed from them later.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import edgekit
from edgekit.bench.counters import Counters, memory_bytes
from edgekit.bench.protocol import Protocol
from edgekit.bench.slices import limit_ns
from edgekit.bench.yardstick import move_to_quietest, yardstick_ns
from edgekit.errors import EdgekitError, ExecutionError, InputError
from edgekit.runtime.loading import available_providers, import_runtime, load
from edgekit.runtime.session import Session
from edgekit.signature import Array

_Call = Callable[[], object]
_SETTLED_WINDOWS = 3
# Fixed work between two slices: a quarter of a millisecond on a desktop.
_GLANCES = 5
# A thread is moved after so many in a row that were slow: moving it costs something too.
_SLOW_SLICES = 5
_MINUTE_SECONDS = 60.0
_PROFILE_SECONDS = 2.0
_PROFILE_CALLS = 5, 100


def main() -> None:
    """Do what standard input asks for."""
    # Whatever runtimes print goes to stderr: stdout holds the answer alone.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        answer = _PASSES[request["pass"]](request)
    except EdgekitError as error:
        answer = {"error": error.to_json()}
    json.dump(answer, answers)
    answers.flush()
    # Runtimes have been seen to hang while they clean up.
    os._exit(0)


def _time(request: Mapping[str, Any]) -> dict[str, Any]:
    """Cold start, warm-up and durations of one model, or of several in turn, slice by slice."""
    protocol = Protocol.from_json(request["protocol"])
    models = [_Opened(one, request) for one in request["models"]]
    _await_peace(request, protocol)
    known = request.get("quiet_ns") or [None] * len(models)
    timed = [
        _Timed(model.call, _warm_up(model.call, protocol), protocol, quiet_ns)
        for model, quiet_ns in zip(models, known, strict=True)
    ]
    order = random.Random(request["seed"])  # noqa: S311 - an order of measurements, no secret
    gc.collect()
    gc.disable()
    counters = Counters()
    started, before, slow = time.perf_counter(), yardstick_ns(_GLANCES), 0
    while not _enough(timed, protocol, (time.perf_counter() - started) / len(timed)):
        for one in order.sample(timed, len(timed)):
            if slow == _SLOW_SLICES and request["threads"] == 1:
                move_to_quietest(_GLANCES)
                before, slow = yardstick_ns(_GLANCES), 0
            one.time_slice()
            after = yardstick_ns(_GLANCES)
            one.yardsticks.append(max(before, after))
            before, slow = after, slow + 1 if one.yardsticks[-1] > one.limit_ns() else 0
    conditions = counters.since()
    return {
        "models": [{**model.facts, **one.to_json()} for model, one in zip(models, timed, strict=True)],
        "conditions": conditions.to_json(),
        "versions": _versions(),
    }


def _sustain(request: Mapping[str, Any]) -> dict[str, Any]:
    """Calls without a pause for a given time: what each minute's were."""
    protocol = Protocol.from_json(request["protocol"])
    model = _Opened(request["models"][0], request)
    warmup = _warm_up(model.call, protocol)
    # As many values a minute as else a process has.
    call_ns = warmup["windows_ns"][-1]
    loops = max(_loops(call_ns, protocol), int(60e9 / call_ns / protocol.max_values))
    minute = float(request.get("minute_seconds", _MINUTE_SECONDS))
    minutes: list[dict[str, Any]] = []
    gc.collect()
    gc.disable()
    started = time.perf_counter()
    while time.perf_counter() - started < request["seconds"]:
        counters, values = Counters(), list[int]()
        until = min(started + (len(minutes) + 1) * minute, started + request["seconds"])
        while not values or time.perf_counter() < until:
            values.append(_block(model.call, loops))
        conditions = counters.since().to_json()
        minutes.append({"durations_ns": values, "conditions": conditions, "yardstick_ns": yardstick_ns(_GLANCES)})
    return {"loops": loops, "minutes": minutes, "versions": _versions()}


def _remember(request: Mapping[str, Any]) -> dict[str, Any]:
    """Memory before the model is there and at its peak, with nothing else in the process."""
    import_runtime(request["models"][0]["target"])
    before = memory_bytes("VmRSS")
    model = _Opened(request["models"][0], request)
    for _ in range(Protocol.from_json(request["protocol"]).memory_calls):
        model.call()
    return {"before_bytes": before, "peak_bytes": memory_bytes("VmHWM"), "versions": _versions()}


def _place(request: Mapping[str, Any]) -> dict[str, Any]:
    """Which operator ran where."""
    with tempfile.TemporaryDirectory(prefix="edgekit-", ignore_cleanup_errors=True) as folder:
        model = _Opened(request["models"][0], request, profile=Path(folder))
        model.session.run(model.inputs)
        placement = model.session.placement()
    return {"placement": {name: list(nodes) for name, nodes in placement.items()}, "versions": _versions()}


def _profile(request: Mapping[str, Any]) -> dict[str, Any]:
    """What each operator takes with the runtime's profiler on: about two seconds of calls."""
    with tempfile.TemporaryDirectory(prefix="edgekit-", ignore_cleanup_errors=True) as folder:
        model = _Opened(request["models"][0], request, profile=Path(folder))
        taken = _block(model.call, 1)
        calls = min(max(int(_PROFILE_SECONDS * 1e9 / taken), _PROFILE_CALLS[0]), _PROFILE_CALLS[1])
        operators, durations = model.session.operators(model.inputs, warmups=max(calls // 5, 2), calls=calls)
    found = [one.to_json() for one in operators]
    return {"operators": found, "durations_ns": list(durations), "versions": _versions()}


_PASSES: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "time": _time,
    "sustain": _sustain,
    "memory": _remember,
    "placement": _place,
    "profile": _profile,
}


class _Opened:
    """A model, loaded and called once, both timed."""

    def __init__(self, one: Mapping[str, Any], request: Mapping[str, Any], profile: Path | None = None) -> None:
        clock = time.perf_counter_ns
        start = clock()
        import_runtime(one["target"])
        imported = clock()
        self.session: Session = load(
            one["path"],
            target=None if one["scheme"] is None else one["target"],
            scheme=one["scheme"],
            threads=request["threads"],
            providers=_providers(one["target"], request),
            profile=profile,
        )
        loaded = clock()
        self.inputs = _inputs(one)
        ready = clock()
        self.session.run(self.inputs)
        called = clock()
        self.call, bound = _repeated(self.session, self.inputs)
        self.facts = {
            "runtime": self.session.runtime,
            "providers": list(self.session.providers),
            "bound": bound,
            "cold": {"import_ns": imported - start, "load_ns": loaded - imported, "first_call_ns": called - ready},
        }


def _providers(target: str, request: Mapping[str, Any]) -> Sequence[str] | None:
    """What was asked for; else what the device's profile prefers, as far as it is here."""
    if request["providers"] or not request["preferred"]:
        asked: Sequence[str] | None = request["providers"]
        return asked
    here = available_providers(target)
    return [name for name in request["preferred"] if name in here] or None


def _inputs(one: Mapping[str, Any]) -> dict[str, Array]:
    """The input of every call: the one that was sent, or the bundle's first recorded one."""
    if one["inputs"]:
        with np.load(one["inputs"], allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
    else:
        from edgekit.bundle import Bundle

        found = Bundle.open(one["path"]).golden()[0][0]
    return {name: array.astype(object) if array.dtype.kind == "U" else array for name, array in found.items()}


def _repeated(session: Session, inputs: Mapping[str, Array]) -> tuple[_Call, bool]:
    """One call on memory that stays where it is; where the runtime shares none, a call with copies."""
    try:
        bound = session.bind()
        for name, array in inputs.items():
            if bound.inputs[name].shape != array.shape:
                return lambda: session.run(inputs), False
            np.copyto(bound.inputs[name], array)
        bound()
    except (ExecutionError, InputError):
        return lambda: session.run(inputs), False
    return bound, True


def _await_peace(request: Mapping[str, Any], protocol: Protocol) -> None:
    """Wait until fixed work is not slow, where it is known what it takes; never asleep, or the clock would drop."""
    known = [ns for ns in request.get("quiet_ns") or () if ns]
    until, limit = time.perf_counter() + protocol.wait_seconds, protocol.slowed * max(known, default=0.0)
    while True:
        if request["threads"] == 1:
            move_to_quietest(_GLANCES)
        if not limit or yardstick_ns(_GLANCES) <= limit or time.perf_counter() > until:
            return


class _Timed:
    """One model's durations, slice by slice."""

    def __init__(
        self, call: _Call, warmup: Mapping[str, Any], protocol: Protocol, known_quiet_ns: float | None
    ) -> None:
        self._call, self._seconds = call, protocol.slice_seconds
        self._slowed, self._known = protocol.slowed, known_quiet_ns
        self._warmup, self._loops = warmup, _loops(warmup["windows_ns"][-1], protocol)
        slices = max(round(protocol.seconds_a_process / protocol.slice_seconds), 1)
        self._singles_a_slice = -(-protocol.singles // slices) if self._loops > 1 else 0
        self._durations: list[int] = []
        self._singles: list[int] = []
        self._slices: list[int] = []
        self.yardsticks: list[int] = []

    def time_slice(self) -> None:
        """One more slice; what fixed work took beside it is the caller's to add."""
        count, until = 0, time.perf_counter() + self._seconds
        while not count or time.perf_counter() < until:
            self._durations.append(_block(self._call, self._loops))
            count += 1
        self._slices.append(count)
        self._singles += [_block(self._call, 1) for _ in range(self._singles_a_slice)]

    def limit_ns(self) -> float:
        """What fixed work may take beside a slice that counts."""
        return limit_ns(self.yardsticks, self._slowed, self._known)

    def quiet_share(self) -> float:
        """The share of slices that count."""
        return float(np.mean(np.asarray(self.yardsticks) <= self.limit_ns()))

    def count(self, *, quiet: bool) -> tuple[int, float]:
        """Calls and seconds of all slices, or of those that count."""
        limit = self.limit_ns() if quiet else float("inf")
        durations = np.asarray(self._durations)[np.repeat(np.asarray(self.yardsticks) <= limit, self._slices)]
        return len(durations) * self._loops, float(durations.sum()) / 1e9

    def to_json(self) -> dict[str, Any]:
        """What :class:`edgekit.bench.measured.Measured` reads."""
        return {
            "warmup": self._warmup,
            "loops": self._loops,
            "durations_ns": self._durations,
            "singles_ns": self._singles,
            "slices": self._slices,
            "yardstick_ns": self.yardsticks,
        }


def _enough(timed: Sequence[_Timed], protocol: Protocol, elapsed: float) -> bool:
    """Whether every model has its calls and seconds: those that count, and any where too few will."""
    if elapsed < protocol.seconds_a_process or not timed[0].yardsticks:
        return False
    hopeful = min(one.quiet_share() for one in timed) >= protocol.quiet_share
    patient = hopeful and elapsed < protocol.patience * protocol.seconds_a_process
    calls, seconds = zip(*(one.count(quiet=patient) for one in timed), strict=True)
    return bool(min(calls) >= protocol.calls_a_process and min(seconds) >= protocol.seconds_a_process)


def _warm_up(call: _Call, protocol: Protocol) -> dict[str, Any]:
    """Windows of calls until their medians settle; the medians, apart from the values, and whether they did.

    Only those windows are judged beside which fixed work was not slow.
    """
    windows: list[float] = []
    yardsticks: list[int] = []
    clock, started = time.perf_counter_ns, time.perf_counter()
    while True:
        values: list[int] = []
        window_end = clock() + protocol.window_seconds * 1e9
        while not values or clock() < window_end:
            start = clock()
            call()
            values.append(clock() - start)
        windows.append(float(median(values)))
        yardsticks.append(yardstick_ns(_GLANCES))
        limit = limit_ns(yardsticks, protocol.slowed)
        last = [one for one, ns in zip(windows, yardsticks, strict=True) if ns <= limit][-_SETTLED_WINDOWS:]
        settled = len(last) == _SETTLED_WINDOWS and max(last) <= protocol.settled * min(last)
        if settled or time.perf_counter() - started > protocol.max_warmup_seconds:
            return {"windows_ns": windows, "settled": settled}


def _loops(call_ns: float, protocol: Protocol) -> int:
    """Calls in one timed block: its length is worth reading the clock for, and its values are not too many."""
    block = max(protocol.min_block_seconds, protocol.seconds_a_process / protocol.max_values) * 1e9
    return max(-int(-block // call_ns), 1)


def _block(call: _Call, loops: int) -> int:
    start = time.perf_counter_ns()
    for _ in repeat(None, loops):
        call()
    return time.perf_counter_ns() - start


def _versions() -> dict[str, str]:
    return {"edgekit": edgekit.__version__, "python": platform.python_version(), "numpy": np.__version__}


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(130)


if __name__ == "__main__":
    main()
