"""The cases of Apple's suite: their names, what is drawn from them, and what became of each."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from coreml_conformance.random_training import STATED

_PRECISIONS = {"fp32": "float32", "fp16": "float16"}
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_SPACE = re.compile(r"\s+")
# What a case's parameters say where its operands are half precision.
_HALF = re.compile("float16|fp16")
# Operations that draw random numbers: no two runs agree, on a device either.
_RANDOM = re.compile(r"/test_random\.py::")


@dataclass(frozen=True)
class Case:
    """A test with its parameters.

    Attributes:
        id: pytest's, without memory addresses, on one line; a second case of the same name ends in ``#2``.
        backend: ``mlprogram``, ``neuralnetwork``, or nothing where the parameters name none.
        precision: ``float32``, ``float16``, or nothing where the parameters name none.
    """

    id: str
    backend: str = ""
    precision: str = ""

    @property
    def file(self) -> str:
        """The file that it stands in."""
        return self.id.partition("::")[0]

    @property
    def function(self) -> str:
        """File, class and function, without parameters."""
        return self.id.partition("[")[0]


class Names:
    """Names that are the same in every process."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()

    def case(self, node: str, parameters: Mapping[str, Any]) -> Case:
        """The case of a pytest item; ask in the order of collection."""
        name = _SPACE.sub(" ", _ADDRESS.sub("", node)).strip()
        self._seen[name] += 1
        backend, precision = _configuration(parameters)
        return Case(name if self._seen[name] == 1 else f"{name}#{self._seen[name]}", backend, precision)


def _configuration(parameters: Mapping[str, Any]) -> tuple[str, str]:
    """Backend and precision among a test's parameters: an object with both, or a tuple that begins with them."""
    for value in parameters.values():
        backend, precision = getattr(value, "backend", None), getattr(value, "precision", None)
        if isinstance(value, tuple) and len(value) >= 2:
            backend, precision = value[:2]
        if backend in ("mlprogram", "neuralnetwork") and precision in _PRECISIONS:
            return str(backend), _PRECISIONS[precision]
    return "", ""


@dataclass(frozen=True)
class Result:
    """What became of a case.

    Attributes:
        case: which.
        precision: ``float32`` or ``float16`` as the parameters name it; ``mixed`` where they say float32 and a model
            that was asked holds half-precision tensors all the same; ``neuralnetwork`` where that older kind of model
            was asked. A case whose parameters name none is ``float16`` where any model that it asked holds such
            tensors, ``float32`` otherwise.
        status: ``passed``, ``failed``, ``never_predicted`` or ``skipped``.
        reason: why it was skipped, never predicted or failed; empty where it passed.
        seconds: how long it took.
    """

    case: Case
    precision: str
    status: str
    reason: str
    seconds: float

    @property
    def random(self) -> bool:
        """Whether what the test expects was drawn: by the operation that it tests, or by one training."""
        return bool(_RANDOM.search(self.case.id)) or self.case.id in STATED


def read_results(logs: Iterable[Path]) -> dict[str, Result]:
    """The results in the plugin's logs by case; the last line of a case counts."""
    lines = (line for log in logs if log.exists() for line in log.read_text(encoding="utf-8").splitlines())
    results = (_result(json.loads(line)) for line in lines if line.endswith("}"))
    return {result.case.id: result for result in results}


def _result(line: Mapping[str, Any]) -> Result:
    case = Case(**{field.name: line[field.name] for field in fields(Case)})
    seen = line["seen"]
    half = "float16" in seen
    precision = case.precision or ("float16" if half else "float32")
    if case.precision == "float32" and half:
        precision = "mixed"
    if case.backend == "neuralnetwork" or "neuralnetwork" in seen:
        precision = "neuralnetwork"
    status, reason = _status(line)
    return Result(case, precision, status, reason, line["seconds"])


def _status(line: Mapping[str, Any]) -> tuple[str, str]:
    """Passed only where something was predicted; failed wherever the evaluator was asked and the test did not pass."""
    message = str(line["message"])
    if line["expected_failure"]:
        return "skipped", f"marked by Apple as failing: {message}"
    if line["outcome"] == "skipped":
        return "skipped", message
    if line["outcome"] == "passed":
        if line["predictions"]:
            return "passed", ""
        return "never_predicted", "the test expects a refusal" if line["asked"] else "the test asks for no prediction"
    if not line["asked"]:
        return "never_predicted", f"failed before any model was asked: {message}"
    return "failed", message


def pick(cases: Sequence[Case], *, each: int) -> list[Case]:
    """The same few float32 cases of every function in every run, those with half-precision operands last."""
    return [
        case
        for chosen in _strata(cases).values()
        for case in sorted(chosen, key=lambda case: _HALF.search(case.id) is not None)[:each]
    ]


def sample(cases: Sequence[Case], count: int) -> list[Case]:
    """A stratified sample of the float32 cases, the same in every run.

    Every test function gets its share of ``count``, and at least one case; within a function the cases are ordered by
    the SHA-256 of their ids. A smaller sample's cases are not always among a larger one's.
    """
    strata = _strata(cases)
    total = sum(map(len, strata.values()))
    if count >= total:
        return [case for chosen in strata.values() for case in chosen]
    # The largest remainder, over what is left when every function has one.
    spare, left = max(count - len(strata), 0), total - len(strata)
    shares = {name: spare * (len(chosen) - 1) / max(left, 1) for name, chosen in strata.items()}
    sizes = {name: 1 + int(share) for name, share in shares.items()}
    remainders = sorted(shares, key=lambda name: (int(shares[name]) - shares[name], name))
    for name in remainders[: max(count - sum(sizes.values()), 0)]:
        sizes[name] += 1
    return [case for name, chosen in strata.items() for case in chosen[: sizes[name]]]


def _strata(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """The float32 cases of ML Programs by function, in an order that only their ids decide."""
    found: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        if case.precision == "float32" and case.backend == "mlprogram":
            found[case.function].append(case)
    order = {case.id: hashlib.sha256(case.id.encode()).digest() for chosen in found.values() for case in chosen}
    return {name: sorted(found[name], key=lambda case: order[case.id]) for name in sorted(found)}
