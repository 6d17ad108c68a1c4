"""Verification after the fact: a bundle or model file against its own recording, or against its original anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgekit.bundle import Bundle
from edgekit.convert.prepare import Prepared, prepare, reference_runs
from edgekit.convert.request import ConvertRequest
from edgekit.errors import InputError, UnsupportedError
from edgekit.modelfile import check_model_file
from edgekit.runtime.loading import choose, executable, load, target_of
from edgekit.runtime.session import Session
from edgekit.signature import Array
from edgekit.verify.execute import judge
from edgekit.verify.tolerance import Tolerance
from edgekit.verify.verdict import Verdict

# The JSON document of `verify --json`. 1: first.
SCHEMA = 1
# What a float32 model file is held to where no route's tolerance is known.
_FLOAT32 = Tolerance(sqnr_db=90)
# The original's outputs, run by run.
Reference = Sequence[Mapping[str, Array]]


@dataclasses.dataclass(frozen=True)
class Check:
    """One artifact's verdict here and now."""

    target: str
    scheme: str
    file: str
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """``{"target", "scheme", "file", "verdict"}``."""
        return {"target": self.target, "scheme": self.scheme, "file": self.file, "verdict": self.verdict.to_json()}


def verify(
    path: Path,
    *,
    against: ConvertRequest | None = None,
    target: str | None = None,
    scheme: str | None = None,
    tolerance: Mapping[str, float] | None = None,
    threads: int | None = None,
) -> list[Check]:
    """Execute every artifact that can be executed here and compare.

    Args:
        path: a bundle, or a model file (which needs ``against``).
        against: the original and the samples to compare on; without it, the bundle's golden samples.
        target: only this target.
        scheme: only this scheme.
        tolerance: bounds in place of the recorded ones.
        threads: threads of the runtime.

    Raises:
        InputError: nothing to compare with, or no such artifact.
    """
    if target_of(path) is not None:
        kind = check_model_file(f"verify {path}", path)
        if against is None:
            why = "a model file has no recorded outputs"
            raise InputError(f"verify {path}", why, "name its original: --against MODEL --samples DATA")
        bounds = _FLOAT32.replaced(tolerance or {})
        return [_check_file(path, kind, prepare(against, lambda _: None), bounds, threads)]
    bundle = Bundle.open(path)
    bundle.verify_files()
    prepared = prepare(against, lambda _: None) if against is not None else None
    if prepared is not None:
        refuse_other_model(path, bundle, prepared)
    chosen = [a for a in bundle.artifacts if target in {None, a.target} and scheme in {None, a.scheme}]
    if not chosen:
        choose(bundle, target, scheme)
    reference = reference_runs(prepared) if prepared is not None else None
    checks = []
    for artifact in chosen:
        bounds = artifact.verdict.tolerance.replaced(tolerance or {})
        session = _open(path, artifact.target, threads, target=artifact.target, scheme=artifact.scheme)
        if isinstance(session, str):
            verdict = Verdict.not_executed(session, bounds)
        else:
            verdict = _verdict(session, bundle, prepared, reference, bounds)
        checks.append(Check(artifact.target, artifact.scheme, artifact.file, verdict))
    return checks


def _verdict(
    session: Session, bundle: Bundle, prepared: Prepared | None, reference: Reference | None, bounds: Tolerance
) -> Verdict:
    if prepared is not None:
        return _against(session, prepared, reference, bounds)
    recorded = list(bundle.golden())
    if not recorded or not all(outputs for _, outputs in recorded):
        return Verdict.not_executed("the bundle has no recorded outputs", bounds)
    return judge(
        session,
        [outputs for _, outputs in recorded],
        (inputs for inputs, _ in recorded),
        bounds,
        synthetic=bool(bundle.manifest.samples["synthetic"]),
    )


def _open(
    path: Path, kind: str, threads: int | None, *, target: str | None = None, scheme: str | None = None
) -> Session | str:
    """A session, or why nothing here executes the model."""
    reason = executable(kind)
    if reason:
        return reason
    try:
        return load(path, target=target, scheme=scheme, threads=threads)
    except UnsupportedError as error:
        return str(error)


def _check_file(path: Path, target: str, prepared: Prepared, bounds: Tolerance, threads: int | None) -> Check:
    session = _open(path, target, threads)
    if isinstance(session, str):
        return Check(target, "", path.name, Verdict.not_executed(session, bounds))
    if session.signature.input_names != prepared.signature.input_names:
        mine, theirs = ", ".join(session.signature.input_names), ", ".join(prepared.signature.input_names)
        raise InputError(
            f"verify {path}",
            f"it takes {mine}, the original {theirs}",
            "name the original's inputs alike: --input-name",
        )
    return Check(target, "", path.name, _against(session, prepared, reference_runs(prepared), bounds))


def _against(session: Session, prepared: Prepared, reference: Reference | None, bounds: Tolerance) -> Verdict:
    if reference is None:
        return Verdict.not_executed("nothing here can run the original", bounds)
    runs, samples = prepared.samples.runs(), prepared.samples
    return judge(session, reference, runs, bounds, synthetic=samples.synthetic, samples=len(samples))


def refuse_other_model(path: Path, bundle: Bundle, prepared: Prepared) -> None:
    """Refuse an original that does not take and give what the bundle does.

    Raises:
        InputError: says which inputs or outputs differ.
    """
    mine, theirs = bundle.manifest.signature, prepared.signature
    for side in ("inputs", "outputs"):
        a, b = getattr(mine, side), getattr(theirs, side)
        if a != b:
            raise InputError(
                f"verify {path}",
                f"its {side} are {'; '.join(map(str, a))}, the original's {'; '.join(map(str, b))}",
                "give the original that the bundle was made from, with the same options",
            )
