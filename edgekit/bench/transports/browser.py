"""A page in a browser: of this machine, or of a phone that opens its address."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

import edgekit
from edgekit.bench.environment import Environment
from edgekit.bench.family import Family
from edgekit.bench.host import Host, LocalHost
from edgekit.bench.transports import web_runtimes
from edgekit.bench.transports.browser_here import BrowserHere
from edgekit.bench.transports.page_facts import UnknownHost, environment_of, name_of
from edgekit.bench.transports.page_model import PageEngine, PageModel
from edgekit.bench.transports.page_server import PageServer
from edgekit.bench.transports.transport import TICK_SECONDS, Event, Tick, too_long
from edgekit.devices import Machine
from edgekit.devices import browser as browser_of
from edgekit.errors import EdgekitError, ExecutionError, InputError
from edgekit.runtime.session import Session
from edgekit.signature import Array

_PROVIDERS = {"onnx": ("webgpu", "wasm"), "tflite": ("WebGPU", "XNNPACK")}
_FACTS_SECONDS = 60.0
_PAUSE = 0.05


class BrowserTransport:
    """Fresh browsers of this machine, or fresh loads of the page in somebody's browser."""

    name = "browser"

    def __init__(
        self,
        engine: str | None = "chromium",
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        runtimes: Path | None = None,
        event: Event = lambda *_: None,
        invite: Callable[[str], None] = lambda _: None,
        wait: float = 600.0,
        arguments: Sequence[str] = (),
    ) -> None:
        """Serve the page.

        Args:
            engine: ``chromium``, ``firefox`` or ``webkit``; ``None`` for whoever opens the page.
            address: of this machine, where the page is served.
            port: 0 for a free one.
            runtimes: a folder with the packages of the runtimes; ``None`` to fetch them.
            event: told what is being done.
            invite: told the page's address, where somebody is to open it.
            wait: seconds that somebody has to open it.
            arguments: of the browser's command line.

        Raises:
            EdgekitError: there is no such browser, or nothing can listen there.
        """
        self._runtimes, self._event, self._wait = runtimes, event, wait
        self._family = Family(os.getpid()) if engine is not None else None
        self._browser = BrowserHere(engine, arguments) if engine is not None else None
        self.host: Host = LocalHost() if engine is not None else UnknownHost()
        self._models: dict[tuple[Any, ...], PageModel] = {}
        self._packages: dict[frozenset[str], dict[str, Path]] = {}
        self._known: dict[str, Any] | None = None
        self._marked = time.monotonic()
        try:
            self._server = PageServer(address, port, web_runtimes.pages(), self._mark)
        except InputError:
            self._end_browser()
            raise
        self.url = self._server.url
        if engine is None:
            invite(self.url)

    def __enter__(self) -> BrowserTransport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_browser()
        self._server.close()

    def machine(self) -> Machine:
        """What the browser says of itself."""
        return browser_of(str(self._facts()["user_agent"]))

    def environment(self) -> Environment:
        """This machine and its browser; of somebody else's only what a browser tells."""
        return environment_of(self._facts(), self.host if self._browser else None)

    def formats(self) -> tuple[str, ...]:
        """What a browser's runtimes run."""
        return ("onnx", "tflite")

    def clean(self) -> int:
        """Nothing stays in a browser that was sent to it."""
        return 0

    def work(self, request: Mapping[str, Any], *, timeout: float, tick: Tick) -> dict[str, Any]:
        """One fresh browser, or page, from a request to its answer."""
        act = {"placement": self._check, "memory": self._remember}.get(request["pass"], self._run)
        self._check_request(request)
        targets = frozenset(one["target"] for one in request["models"])
        if targets not in self._packages:
            # Digests of archives of 40 MB are told once, not for every process.
            self._packages[targets] = web_runtimes.provide(sorted(targets), self._runtimes, self._event)
        self._server.packages = self._packages[targets]
        until = time.monotonic() + timeout
        try:
            return act(request, _Patience(until, tick, lambda: too_long(request, timeout)))
        finally:
            self._server.forget()
            if self._browser is not None:
                self._browser.end()

    def _check_request(self, request: Mapping[str, Any]) -> None:
        asked, kind = _asked(request), request["pass"]
        if kind == "profile":
            raise ExecutionError(asked, "its runtimes tell no operators' times", "leave --profile off")
        for target in {one["target"] for one in request["models"]}:
            there = _PROVIDERS[target]
            for name in request["providers"] or ():
                if name not in there:
                    raise InputError(f"{asked} on {name}", "no such provider there", f"take {' or '.join(there)}")

    def _run(self, request: Mapping[str, Any], patience: _Patience) -> dict[str, Any]:
        """Everything that the page does alone."""
        self._fresh(patience)
        answer = self._ask(self._task(request, request["pass"]), patience)
        return {**answer, "versions": self._versions()}

    def _check(self, request: Mapping[str, Any], patience: _Patience) -> dict[str, Any]:
        """The recorded samples, run in the browser and compared; where operators run its runtimes do not tell."""
        model = self._model(request["models"][0])
        found = None
        if model.golden:
            self._fresh(patience)
            task = self._task(request, "open")
            opened = self._ask({**task, "models": [{**task["models"][0], "inputs": None}]}, patience)
            engine = PageEngine(
                opened["runtime"], model.signature, lambda inputs: self._call(request, inputs, patience)
            )
            verdict = Session(
                engine,
                model.bundle_signature,
                model.inputs,
                model.outputs,
                golden=lambda: model.golden,
                tolerance=model.tolerance,
            ).self_test()
            found = verdict.to_json()
        return {"placement": {}, "verdict": found, "versions": self._versions()}

    def _call(self, request: Mapping[str, Any], inputs: Mapping[str, Array], patience: _Patience) -> dict[str, Array]:
        sent = [self._array(name, one) for name, one in inputs.items()]
        answer = self._ask({"do": "call", "asked": _asked(request), "inputs": sent}, patience)
        return {one["name"]: _array(one) for one in answer["outputs"]}

    def _remember(self, request: Mapping[str, Any], patience: _Patience) -> dict[str, Any]:
        """Memory of the page's process; of somebody else's browser nothing is told."""
        before = peak = None
        if self._family is not None:
            self._fresh(patience)
            self._ask(self._task(request, "start"), patience)
            before = self._family.page_bytes("VmRSS")
            self._ask(self._task(request, "open"), patience)
            calls = request["protocol"]["memory_calls"]
            self._ask({"do": "repeat", "asked": _asked(request), "calls": calls}, patience)
            peak = self._family.page_bytes("VmHWM")
        return {"before_bytes": before, "peak_bytes": peak, "versions": self._versions()}

    def _task(self, request: Mapping[str, Any], what: str) -> dict[str, Any]:
        """A request as the page takes it: models and inputs by their addresses."""
        kept = ("threads", "providers", "preferred", "protocol", "seed", "quiet_ns", "seconds", "minute_seconds")
        models = [self._model(one) for one in request["models"]]
        sent = [
            {
                "target": one.target,
                "runtime": web_runtimes.runtime_of(one.target),
                "url": self._server.blob(one.content),
                "inputs": [self._array(name, array) for name, array in one.first.items()],
            }
            for one in models
        ]
        return {**{name: request.get(name) for name in kept}, "do": what, "asked": _asked(request), "models": sent}

    def _array(self, name: str, array: Array) -> dict[str, Any]:
        content = np.ascontiguousarray(array).tobytes()
        return {"name": name, "dtype": array.dtype.name, "shape": list(array.shape), "url": self._server.blob(content)}

    def _model(self, one: Mapping[str, Any]) -> PageModel:
        key = (one["path"], one["target"], one["scheme"], one["inputs"])
        if key not in self._models:
            self._models[key] = PageModel.read(one)
        return self._models[key]

    def _facts(self) -> dict[str, Any]:
        """What the browser says of itself, asked once."""
        if self._known is None:
            seconds = _FACTS_SECONDS if self._browser else self._wait
            late = ExecutionError(
                f"open {self.url}", f"no page has answered in {seconds:g} s", "open it, or see --timeout"
            )
            patience = _Patience(time.monotonic() + seconds, lambda: None, lambda: late)
            if self._browser is not None:
                self._fresh(patience)
            else:
                self._event(f"waiting for a browser at {self.url}", 0.0)
            self._known = self._ask({"do": "facts"}, patience)
            if self._browser is not None:
                self._known["version"] = self._browser.version
                self._browser.end()
        return self._known

    def _fresh(self, patience: _Patience) -> None:
        """A browser, or a page, in which nothing has run."""
        if self._browser is None:
            self._ask({"do": "reload"}, patience)
            self._server.renew()
        else:
            self._browser.end()
            self._server.renew()
            self._browser.open(self.url)

    def _ask(self, task: Mapping[str, Any], patience: _Patience) -> dict[str, Any]:
        """The page's answer to a task."""
        self._server.give(task)
        while (answer := self._server.answer(_PAUSE)) is None:
            if self._browser is not None:
                self._browser.check()
            patience.check()
        if "error" in answer:
            raise EdgekitError.from_json(answer["error"])
        return answer

    def _mark(self) -> dict[str, Any]:
        if self._family is not None:
            return self._family.since()
        since, self._marked = self._marked, time.monotonic()
        return _unseen(int(self._facts()["cpus"] or 0), since)

    def _versions(self) -> dict[str, str]:
        name, version = name_of(self._facts())
        return {"edgekit": edgekit.__version__, name: version}

    def _end_browser(self) -> None:
        if self._browser is not None:
            self._browser.close()


class _Patience:
    """How long an answer is waited for, and what is done meanwhile."""

    def __init__(self, until: float, tick: Tick, late: Callable[[], EdgekitError]) -> None:
        self._until, self._tick, self._late = until, tick, late
        self._ticked = time.monotonic()

    def check(self) -> None:
        """Tick about twice a second.

        Raises:
            EdgekitError: the time has run out.
        """
        now = time.monotonic()
        if now > self._until:
            raise self._late()
        if now - self._ticked > TICK_SECONDS:
            self._tick()
            self._ticked = time.monotonic()


def _asked(request: Mapping[str, Any]) -> str:
    return f"measure {Path(request['models'][0]['path']).name} in a browser"


def _array(one: Mapping[str, Any]) -> Array:
    """An output as the page sends it."""
    content = bytearray(base64.b64decode(one["base64"]))
    found: Array = np.frombuffer(content, np.dtype(one["dtype"])).reshape(one["shape"])
    return found


def _unseen(cpus: int, since: float) -> dict[str, Any]:
    """What is known of a machine whose counters nobody sees: how long it took."""
    unknown = dict.fromkeys(("cpu_seconds", "others_cpus", "stolen_cpus", "waited", "switches"))
    return {"seconds": max(time.monotonic() - since, 1e-9), "cpus": cpus, "usable_cpus": cpus, **unknown}
