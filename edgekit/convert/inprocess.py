"""A conversion of a live object in the caller's own process, one target after the other."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgekit.convert.diagnose import as_conversion_error
from edgekit.convert.job import write_reference
from edgekit.convert.make import Made, check_targets, make_scheme
from edgekit.convert.prepare import Prepared, prepare, reference_runs
from edgekit.convert.processes import Checked, NotMade, Run
from edgekit.convert.request import ConvertRequest
from edgekit.convert.supervisor import Event
from edgekit.errors import EdgekitError
from edgekit.samples import RawSamples
from edgekit.signature import Array


def run(native: Any, request: ConvertRequest, given: RawSamples | None, work: Path, event: Event) -> Run:
    """Convert a live model to every target and execute what was made.

    Raises:
        EdgekitError: what was asked is wrong for every target.
    """
    started = time.perf_counter()
    prepared = prepare(request, lambda step: event(request.model, step, time.perf_counter() - started), native, given)
    request = dataclasses.replace(request, schemes=prepared.schemes)
    result = Run()
    try:
        planned = check_targets(prepared, request)
        reference = reference_runs(prepared)
        write_reference(work, prepared, reference)
        for target in request.targets:
            log = work / "logs" / target / "log.txt"
            log.parent.mkdir(parents=True)
            for scheme in request.schemes:
                event(target, f"convert to {target} {scheme}", time.perf_counter() - started)
                step = ""

                def at(text: str) -> None:
                    nonlocal step
                    step = text

                try:
                    with captured(log):
                        made = make_scheme(prepared, request, planned[target], scheme, work, at)
                        at(f"run the {target} {scheme} model")
                        checked = _checked(target, made, prepared, reference, request.metric, request.threads, log)
                    result.checked.append(checked)
                except EdgekitError as error:
                    result.failed.append(NotMade(target, scheme, error, log))
                except Exception as error:  # noqa: BLE001 - whatever a vendor raises is reported as this target's failure
                    told = as_conversion_error(error, f"convert to {target} {scheme}", step, prepared.source)
                    told.__cause__ = error
                    result.failed.append(NotMade(target, scheme, told, log))
            event(target, "", time.perf_counter() - started)
    finally:
        prepared.source.close()
    return result


@contextmanager
def captured(log: Path) -> Iterator[None]:
    """Send what vendors print, from Python and from C++, to a log instead of the caller's terminal."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
            yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)


def _checked(
    target: str,
    made: Made,
    prepared: Prepared,
    reference: Sequence[Mapping[str, Array]] | None,
    metric: str | None,
    threads: int | None,
    log: Path,
) -> Checked:
    from edgekit.verify.execute import execute

    verdict, call_ms = execute(
        target,
        made,
        prepared.signature,
        prepared.samples,
        reference,
        probes=prepared.probes,
        metric=metric,
        threads=threads,
    )
    return Checked(target, made, verdict, call_ms, log)
