"""The page ``docs/coreml-conformance.md``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from coreml_conformance.cases import Result
from coreml_conformance.known import Known, reason_for
from coreml_conformance.random_training import holds
from coreml_conformance.report import Counts, brief, by_file, count, gated, reasons, verdicts

_INTRODUCTION = """\
<!-- Written by `make conformance`; do not edit. -->
# Core ML conformance

Where Core ML itself does not run, edgekit executes Core ML models with an evaluator of its own
(`edgekit/coreml_reference`). How far can its results be trusted? Apple's own tests decide: they ship inside the
coremltools wheel. They run here from the installed wheel, unmodified. A pytest plugin answers wherever coremltools
asks Core ML for a prediction: each case converts a model, saves a real package, and the evaluator reads that package
from disk.

What this shows: the evaluator computes what Apple's tests expect of Core ML, within the tests' own tolerances. What
it does not show: **everything was executed in software. The Neural Engine, the GPU and Apple's compiler were not
exercised**, and nothing here says how fast or how precise a device is.

How the cases are counted:

- **passed**: a prediction was made and the test accepted it.
- **failed**: a model was asked for a prediction (or a state), and the test did not pass, whatever the cause.
- **never predicted**: nothing numeric happened. The test only checks the conversion, or it failed inside coremltools
  before any model was asked, or it expects the prediction to be refused.
- **skipped**: the test skips itself, or Apple has marked it as failing.

Only cases that are float32 throughout count for the gates. Where a case says float32 and its model holds
half-precision tensors all the same, it is **mixed** and counted apart. Such tests expect what float32 computes from
operands that were not rounded yet, and tolerate 0.0001 of difference; one unit of half precision near 1 is 0.001, so
that those with exact operands pass and the others do not. Float16 cases are weak evidence: their tolerance is 0.5
absolute and 5 % relative. A case whose parameters name no precision has that of the models that it asked: float16 if
any tensor in them is half precision, float32 otherwise (classical models compute in double precision and count as
float32). Operations that draw random numbers, two tests of one random training, and models of the older
NeuralNetwork kind are kept apart. Every case begins with its own random seed, so that its result does not depend on the
cases before it.
"""

_RERUN = """\
## Running it again

```console
$ make conformance
$ PYTHONPATH=benchmarks python -m coreml_conformance --help
```

It needs `edgekit[coreml,torch,tensorflow]` and Python 3.11. It makes a second environment by itself, under `build/`,
for the scikit-learn and XGBoost tests, which skip themselves with newer versions; that takes a C++ compiler (libsvm).
An interrupted run goes on where it stopped. `--ops`, `--torch` or `--classical` runs a part, `--processes N` bounds
the processes, `--sample N` draws another number of PyTorch cases (0: all), `--every-opset` runs every opset instead
of the first that an operation is tested for, and `--fresh` begins anew.
"""

_RANDOM_TRAININGS = """\
## Two tests that state the error of one random training

They train XGBoost on half of the rows, drawn at random, convert with thresholds in double precision, and demand the
largest error that Core ML then had: that of rows on a threshold, which double precision sends down another branch.
Here the same models were trained with other seeds. *Distance* is the evaluator's greatest from a plain walk of
XGBoost's own JSON dump in double precision, over all rows and seeds; the errors are those of each seed. The demanded
number belongs to a draw, so that these two count as random.

| test | demanded | largest error, seed by seed | distance | kept apart |
|---|--:|---|--:|---|"""


def write_page(
    results: Mapping[str, Sequence[Result]],
    known: Sequence[Known],
    environment: Mapping[str, Any],
    left_out: Mapping[str, int],
    collected: Mapping[str, int],
    proofs: Sequence[Mapping[str, Any]],
) -> str:
    """The whole page."""
    parts = [
        _INTRODUCTION,
        _gates(results, environment),
        _RERUN,
        _files(results),
        _apart(results, left_out, collected),
        _random_trainings(proofs),
        _failures(results, known),
    ]
    return "\n".join(parts)


def _gates(results: Mapping[str, Sequence[Result]], environment: Mapping[str, Any]) -> str:
    rows = [
        f"| {one.title} | {one.cases:,} | {one.wanted_cases:,} | {one.share:.2%} | {one.wanted_share:.0%} | "
        f"{'yes' if one.reached else '**no**'} |"
        for one in verdicts(results)
    ]
    versions = "; ".join(
        f"{name}: " + ", ".join(f"{package} {version}" for package, version in found.items())
        for name, found in environment.items()
    )
    return "\n".join(
        [
            "## Result",
            "",
            "| float32 cases | predicted | at least | passed | at least | reached |",
            "|---|--:|--:|--:|--:|---|",
            *rows,
            "",
            f"Versions: {versions}.",
            "",
        ]
    )


def _files(results: Mapping[str, Sequence[Result]]) -> str:
    rows = [
        f"| {_short(file)} | {precision}{', random' if random else ''} | {counts.passed:,} | {counts.failed:,} | "
        f"{counts.never_predicted:,} | {counts.skipped:,} |"
        for (_, file, precision, random), counts in by_file(results).items()
    ]
    everything = [result for found in results.values() for result in found]
    total, mixed = count(gated(everything)), count(result for result in everything if result.precision == "mixed")
    return "\n".join(
        [
            "## By file",
            "",
            "| file | precision | passed | failed | never predicted | skipped |",
            "|---|---|--:|--:|--:|--:|",
            *rows,
            _total("all that count", "float32", total),
            _total("beside them", "mixed", mixed),
            "",
        ]
    )


def _total(title: str, precision: str, total: Counts) -> str:
    numbers = (total.passed, total.failed, total.never_predicted, total.skipped)
    return f"| **{title}** | {precision} | " + " | ".join(f"**{number:,}**" for number in numbers) + " |"


def _apart(results: Mapping[str, Sequence[Result]], left_out: Mapping[str, int], collected: Mapping[str, int]) -> str:
    everything = [result for found in results.values() for result in found]
    lines = ["## What was not run, and why nothing was predicted", ""]
    for suite, number in left_out.items():
        lines.append(f"- NeuralNetwork cases left out of `{suite}`: {number:,}.")
    for suite, number in collected.items():
        if suite in results and number > len(results[suite]):
            lines.append(
                f"- `{suite}`: {len(results[suite]):,} of {number:,} cases were run, a sample stratified by test "
                "function of those in float32 (`--sample 0` runs all); the sample is the same in every run."
            )
    for status, title in (("never_predicted", "Never predicted"), ("skipped", "Skipped")):
        found = reasons(everything, status)
        lines += ["", f"<details><summary>{title}: {sum(found.values()):,} cases by reason</summary>", ""]
        lines += [f"- {number:,} × {_text(reason)}" for reason, number in found.items()]
        lines += ["", "</details>"]
    return "\n".join([*lines, ""])


def _random_trainings(proofs: Sequence[Mapping[str, Any]]) -> str:
    lines = [_RANDOM_TRAININGS]
    for proof in proofs:
        errors = ", ".join(f"{error:.3g}" for error in proof["max_error_by_seed"])
        name = proof["test"].split("::", 1)[1]
        lines.append(
            f"| `{name}` | {proof['stated_max_error']} | {errors} | {proof['distance_from_plain_walk']:.1g} | "
            f"{'yes' if holds(proof) else '**without proof**'} |"
        )
    return "\n".join([*lines, ""])


def _failures(results: Mapping[str, Sequence[Result]], known: Sequence[Known]) -> str:
    groups: dict[tuple[str, str, str], list[Result]] = defaultdict(list)
    for found in results.values():
        for result in found:
            if result.status == "failed":
                reason = reason_for(known, result) or f"**unexplained**: {_text(brief(result.reason))}"
                groups[result.case.function, result.precision, reason].append(result)
    lines = ["## What fails, and why", ""]
    if not groups:
        return "\n".join([*lines, "Nothing.", ""])
    lines += ["| test | precision | cases | reason |", "|---|---|--:|---|"]
    ordered = sorted(groups.items(), key=lambda item: item[0])
    for (function, precision, reason), listed in ordered:
        lines.append(f"| {_short(function)} | {precision} | {len(listed):,} | {reason.replace('|', '/')} |")
    lines += ["", "<details><summary>The float32 cases, one by one</summary>", "", "```text"]
    lines += sorted(
        _short(result.case.id, code=False)
        for (_, precision, _), listed in ordered
        if precision == "float32"
        for result in listed
    )
    return "\n".join([*lines, "```", "", "</details>", ""])


def _short(name: str, *, code: bool = True) -> str:
    """A path inside coremltools, without the folders that most share."""
    text = name.removeprefix("converters/mil/").removeprefix("mil/ops/tests/")
    return f"`{text}`" if code else text


def _text(message: str) -> str:
    """A message inside Markdown."""
    return "`" + message.replace("`", "'").replace("|", "/") + "`" if message else "no reason given"
