"""A conversion in worker processes: one a target, side by side, then one an artifact to execute what was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.convert import registry
from edgekit.convert.job import SAMPLES, made_from_json, made_to_json
from edgekit.convert.make import Made
from edgekit.convert.request import ConvertRequest
from edgekit.convert.supervisor import Event, Outcome, Task, run_tasks
from edgekit.errors import EdgekitError, ExecutionError, StorageError
from edgekit.sources import framework_of
from edgekit.verify.verdict import Verdict


@dataclass(frozen=True)
class Checked:
    """A model file with its verdict."""

    target: str
    made: Made
    verdict: Verdict
    call_ms: float | None
    log: Path | None


@dataclass(frozen=True)
class NotMade:
    """A target and scheme that came to nothing."""

    target: str
    scheme: str
    error: EdgekitError
    log: Path | None


@dataclass
class Run:
    """What a conversion made, whatever way it ran. The work folder holds the source's facts, samples and reference."""

    checked: list[Checked] = field(default_factory=list)
    failed: list[NotMade] = field(default_factory=list)


def run(request: ConvertRequest, work: Path, *, timeout: float, jobs: int, event: Event) -> Run:
    """Convert every target, then execute every file that was made, one at a time so that timing is undisturbed.

    Raises:
        EdgekitError: what was asked is wrong for every target.
    """
    # What can be seen without loading anything is refused before a process is started.
    framework = framework_of(request.model, request.weights)
    for target in request.targets if framework else ():
        registry.get(str(framework), target)
    # The first worker also runs the original: the others need not wait for it, and no process loads it for that alone.
    tasks = [
        Task(
            target,
            work / "logs" / target,
            {
                "kind": "convert",
                "asked": f"convert {request.model} to {target}",
                "target": target,
                "request": request.to_json(),
                "work": str(work),
                "reference": index == 0,
            },
        )
        for index, target in enumerate(request.targets)
    ]
    outcomes = run_tasks(tasks, jobs=jobs, timeout=timeout, event=event, stop_on=_for_all)
    for outcome in outcomes:
        # On a full disk there will be no bundle either.
        if outcome.error is not None and (_for_all(outcome) or isinstance(outcome.error, StorageError)):
            raise outcome.error
    result = Run()
    made = _made(outcomes, request, result)
    reference = next(outcome for outcome in outcomes if outcome.task.job["reference"])
    if not (work / SAMPLES).exists():
        # The worker that was to run the original died before it had: without it nothing can be compared.
        error = reference.error or ExecutionError("run the original", "its process ended early", "see the log")
        result.failed += [NotMade(target, one.scheme, error, log) for target, one, log in made]
        return result
    for target, one, log in made:
        _check(target, one, log, request, work, timeout, event, result)
    return result


def _for_all(outcome: Outcome) -> bool:
    return outcome.error is not None and outcome.result.get("stage") == "prepare"


def _made(outcomes: list[Outcome], request: ConvertRequest, result: Run) -> list[tuple[str, Made, Path]]:
    made = []
    by_target = {outcome.task.name: outcome for outcome in outcomes}
    for target in request.targets:
        outcome = by_target[target]
        log = outcome.task.log
        if outcome.error is not None:
            result.failed += [NotMade(target, scheme, outcome.error, log) for scheme in request.schemes]
            continue
        made += [(target, made_from_json(one), log) for one in outcome.result["made"]]
        for failure in outcome.result["failed"]:
            result.failed.append(NotMade(target, failure["scheme"], EdgekitError.from_json(failure["error"]), log))
    return made


def _check(
    target: str, made: Made, log: Path, request: ConvertRequest, work: Path, timeout: float, event: Event, result: Run
) -> None:
    name = f"{target} {made.scheme} check"
    job: Mapping[str, Any] = {
        "kind": "verify",
        "asked": f"run the {target} {made.scheme} model",
        "target": target,
        "made": made_to_json(made),
        "work": str(work),
        "samples": SAMPLES,
        "metric": request.metric,
        "threads": request.threads,
    }
    task = Task(name, work / "logs" / f"{target}-{made.scheme}-verify", job)
    (outcome,) = run_tasks([task], jobs=1, timeout=timeout, event=event, stop_on=lambda _: False)
    if isinstance(outcome.error, StorageError):
        raise outcome.error
    if outcome.error is not None:
        result.failed.append(NotMade(target, made.scheme, outcome.error, task.log))
        return
    verdict = Verdict.from_json(outcome.result["verdict"])
    result.checked.append(Checked(target, made, verdict, outcome.result["call_ms"], log))
