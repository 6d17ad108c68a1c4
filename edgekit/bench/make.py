"""A suite's model, made in a process of its own: ``python -m edgekit.bench.make`` with a request on standard input.

The function's file is content, found where suites are; what it prints goes to standard error.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edgekit.errors import EdgekitError, ExecutionError, InputError


def made(file: Path, function: str, output: Path, targets: Sequence[str], schemes: Sequence[str]) -> None:
    """Call a function that makes a bundle.

    Args:
        file: the Python file that has it.
        function: its name; it takes the path to write, formats and schemes.
        output: the bundle's path.
        targets: the formats that it is to hold.
        schemes: the schemes of each.

    Raises:
        EdgekitError: what the function refused or ran into, or that it made nothing.
    """
    request = {"file": str(file), "function": function, "output": str(output)}
    done = subprocess.run(
        [sys.executable, "-m", "edgekit.bench.make"],
        input=json.dumps({**request, "targets": list(targets), "schemes": list(schemes)}),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    answer = json.loads(done.stdout) if done.stdout else None
    if answer and "error" in answer:
        raise EdgekitError.from_json(answer["error"])
    if answer is None or not output.exists():
        said = done.stderr.strip().splitlines()
        why = said[-1] if done.returncode and said else "it made no bundle"
        raise ExecutionError(f"make {output.name} by {file.name}:{function}", why, "call it alone to see more")


def main() -> None:
    """Do what standard input asks for."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    request = json.loads(sys.stdin.read())
    answer: dict[str, object] = {}
    try:
        _function(Path(request["file"]), request["function"])(
            Path(request["output"]), request["targets"], request["schemes"]
        )
    except EdgekitError as error:
        answer = {"error": error.to_json()}
    json.dump(answer, answers)
    answers.flush()


def _function(file: Path, name: str) -> Callable[[Path, Sequence[str], Sequence[str]], object]:
    spec = importlib.util.spec_from_file_location(f"edgekit_suite_{file.stem}", file)
    if spec is None or spec.loader is None or not file.is_file():
        raise InputError(f"make a model by {file}:{name}", "no such Python file", "see the suite's `make`")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise InputError(f"make a model by {file}:{name}", "no such function", "see the suite's `make`")
    return function  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
