"""Apple's own Core ML tests against edgekit's Core ML reference: ``python -m coreml_conformance``.

Run with ``benchmarks/`` on PYTHONPATH (``make conformance`` does). Writes benchmarks/results/coreml-conformance.json
and docs/coreml-conformance.md when every suite has run; exit code 1 when a gate is not reached.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coreml_conformance.cases import Case, Result, read_results, sample
from coreml_conformance.environment import REQUIREMENTS, classical_python, describe
from coreml_conformance.known import read_known, reason_for
from coreml_conformance.page import write_page
from coreml_conformance.report import as_json, brief, judge, problems, verdicts
from coreml_conformance.suites import SUITES
from coreml_conformance.workers import ROOT, Command, collect, progress, run_cases, run_module, run_slice

WORK = ROOT / "build" / "coreml-conformance"
RESULTS = ROOT / "benchmarks" / "results" / "coreml-conformance.json"
PAGE = ROOT / "docs" / "coreml-conformance.md"


@dataclass
class Done:
    """A suite that has run: its results, how many cases there were, and how many were NeuralNetwork's."""

    results: list[Result]
    collected: int
    neuralnetwork: int


def main(argv: Sequence[str] | None = None) -> int:
    """Run, report, judge."""
    options = _options(argv)
    # Being told to end ends the processes that were started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.slice:
        return _slice(options.slice)
    if options.fresh:
        shutil.rmtree(options.work / "runs", ignore_errors=True)
    chosen = [suite for suite in SUITES if getattr(options, suite.gate)] or list(SUITES)
    done: dict[str, Done] = {}
    environments: dict[str, Any] = {}
    for suite in chosen:
        python = classical_python(options.work / "classical") if suite.classical else Path(sys.executable)
        package, versions = describe(python)
        environments["classical" if suite.classical else "programs"] = versions
        command = Command(python, package, suite, options.every_opset)
        done[suite.name] = _run(command, versions, options)
    proofs = _proofs(options.work) if any(suite.name == "xgboost" for suite in chosen) else []
    return _report(done, environments, proofs, write=len(chosen) == len(SUITES))


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="coreml_conformance", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--ops", action="store_true", help="only the operations")
    parser.add_argument("--torch", action="store_true", help="only the PyTorch operations")
    parser.add_argument("--classical", action="store_true", help="only scikit-learn, XGBoost and pipelines")
    parser.add_argument("--slice", type=int, nargs="?", const=2, metavar="N", help="N float32 cases a test function")
    parser.add_argument("--sample", type=int, metavar="N", help="PyTorch cases to draw; 0 for all")
    parser.add_argument("--every-opset", action="store_true", help="every opset, not the first that a test is for")
    parser.add_argument("--float32", action="store_true", help="leave float16 out, which no gate counts: half the time")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, metavar="N", help="at a time")
    parser.add_argument("--fresh", action="store_true", help="forget what an interrupted run has done")
    parser.add_argument("--work", type=Path, default=WORK, help="folder for logs and the second environment")
    return parser.parse_args(argv)


def _run(command: Command, versions: dict[str, Any], options: argparse.Namespace) -> Done:
    """The results of a suite: those of an interrupted run of the same code, and the rest."""
    suite = command.suite
    folder = options.work / "runs" / f"{suite.name}-{_fingerprint(command, versions)}"
    plans = [_plan(command, target, folder) for target in ("mlprogram", "neuralnetwork")]
    neuralnetwork = sum(case.backend == "neuralnetwork" for case in plans[1])
    cases = [case for case in plans[0] if not (options.float32 and case.precision == "float16")]
    size = suite.sample if options.sample is None else options.sample
    if suite.sample and size:
        cases = sample(cases, size)
    logs = folder / "logs"
    before = read_results(logs.glob("*.jsonl"))
    left = [case for case in cases if case.id not in before]
    if left:
        run_cases(command, left, logs, options.processes, progress(len(left), suite.name))
    results = read_results(sorted(logs.glob("*.jsonl")))
    return Done([results[case.id] for case in cases], len(plans[0]), neuralnetwork)


def _plan(command: Command, target: str, folder: Path) -> list[Case]:
    """The suite's cases, collected once."""
    file = folder / f"{target}.json"
    if not file.exists():
        cases = collect(command, target)
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps([vars(case) for case in cases]), encoding="utf-8")
    return [Case(**one) for one in json.loads(file.read_text(encoding="utf-8"))]


def _fingerprint(command: Command, versions: dict[str, Any]) -> str:
    """What a result depends on: the evaluator, this plugin, the versions, which opsets."""
    digest = hashlib.sha256(json.dumps([versions, command.every_opset, command.suite.macos]).encode())
    here = Path(__file__).resolve().parent
    sources = [*(ROOT / "edgekit" / "coreml_reference").rglob("*.py"), REQUIREMENTS]
    for file in [*sorted(sources), here / "plugin.py", here / "proxy.py"]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def _proofs(work: Path) -> list[dict[str, Any]]:
    """Why two tests stand apart; measured anew whenever what they depend on has changed."""
    python = classical_python(work / "classical")
    suite = next(suite for suite in SUITES if suite.name == "xgboost")
    package, versions = describe(python)
    command = Command(python, package, suite)
    file = work / "runs" / f"xgboost-{_fingerprint(command, versions)}" / "random-training.json"
    if not file.exists():
        print("xgboost: the trainings with other random numbers, about two minutes", file=sys.stderr)
        file.write_text(run_module(command, "coreml_conformance.random_training"), encoding="utf-8")
    return list(json.loads(file.read_text(encoding="utf-8")))


def _report(done: dict[str, Done], environments: dict[str, Any], proofs: list[dict[str, Any]], *, write: bool) -> int:
    """Print, write where everything ran, judge."""
    results = {name: one.results for name, one in done.items()}
    known = read_known()
    left_out = {name: one.neuralnetwork for name, one in done.items() if one.neuralnetwork}
    if write:
        content = as_json(results, known, environments, left_out, proofs)
        RESULTS.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        collected = {name: one.collected for name, one in done.items()}
        PAGE.write_text(write_page(results, known, environments, left_out, collected, proofs), encoding="utf-8")
        print(f"wrote {RESULTS.relative_to(ROOT)} and {PAGE.relative_to(ROOT)}")
    else:
        print("only a part was run: the result file and the page stay as they are")
    for verdict in verdicts(results):
        print(verdict)
    found = problems(results, known, proofs)
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


def _slice(each: int) -> int:
    """A few cases of every function of the operations' tests, in one process."""
    suite = SUITES[0]
    package, _ = describe(Path(sys.executable))
    command = Command(Path(sys.executable), package, suite)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        output = run_slice(command, log, each)
        results = [result for result in read_results([log]).values() if result.precision == "float32"]
    verdict = judge("slice", results)
    known = read_known()
    unexplained = [result for result in results if result.status == "failed" and not reason_for(known, result)]
    for result in unexplained:
        print(f"failed: {result.case.id}\n    {brief(result.reason)}")
    print(f"{verdict}; failures without a known reason: {len(unexplained)}")
    if not results:
        print(output[-3000:], file=sys.stderr)
    return 0 if verdict.reached and not unexplained else 1


if __name__ == "__main__":
    sys.exit(main())
