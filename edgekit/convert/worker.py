"""A conversion or a verification in a process of its own: ``python -m edgekit.convert.worker FOLDER``.

The folder holds ``job.json``; the worker leaves ``result.json`` there, and the name of the step it is at in ``step``.
Whatever it prints goes to the log that its parent opened. It ends when its parent does: the parent holds the other end
of its standard input, which closes however the parent dies, on every system.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.convert.diagnose import as_conversion_error
from edgekit.convert.job import (
    DISK_FULL,
    SOURCE,
    made_from_json,
    made_to_json,
    read_json,
    read_reference,
    write_json,
    write_reference,
)
from edgekit.errors import EdgekitError


def main() -> None:
    """Do the job of the folder that the command line names."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    code = 1
    try:
        _work(Path(sys.argv[1]))
        code = 0
    except OSError as error:
        # Not even the result could be written: the exit code is all that the parent gets.
        code = DISK_FULL if error.errno == errno.ENOSPC else 1
    finally:
        # Frameworks have been seen to crash or hang in their own clean-up; what they made is already on disk.
        os._exit(code)


def _work(folder: Path) -> None:
    job = read_json(folder / "job.json")
    kinds = {"convert": _convert, "verify": _verify}
    try:
        result = kinds[job["kind"]](job, folder)
    except EdgekitError as error:
        result = {"error": error.to_json()}
    except BaseException as error:  # noqa: BLE001 - whatever ends the job is its result
        traceback.print_exc()
        result = {"error": as_conversion_error(error, job["asked"], _current_step(folder)).to_json()}
    sys.stdout.flush()
    sys.stderr.flush()
    write_json(folder / "result.json", result)


def _convert(job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    from edgekit.convert.make import check_targets, make_scheme
    from edgekit.convert.prepare import prepare, reference_runs
    from edgekit.convert.request import ConvertRequest

    request = ConvertRequest.from_json(job["request"])
    work = Path(job["work"])

    def progress(step: str) -> None:
        _say(folder, step)

    try:
        prepared = prepare(request, progress)
        request = dataclasses.replace(request, schemes=prepared.schemes)
        planned = check_targets(prepared, request)
        if job["reference"]:
            progress("run the original")
            write_reference(work, prepared, reference_runs(prepared))
    except EdgekitError as error:
        # What is wrong with the request is wrong for every target: the parent stops them all.
        return {"error": error.to_json(), "stage": "prepare"}
    made, failed = [], []
    for scheme in request.schemes:
        try:
            one = make_scheme(prepared, request, planned[job["target"]], scheme, work, progress)
            made.append(made_to_json(one))
        except EdgekitError as error:
            failed.append({"scheme": scheme, "error": error.to_json()})
        except Exception as error:  # noqa: BLE001 - whatever a vendor raises is this target's failure
            traceback.print_exc()
            asked = f"convert to {job['target']} {scheme}"
            told = as_conversion_error(error, asked, _current_step(folder), prepared.source)
            failed.append({"scheme": scheme, "error": told.to_json()})
    return {"made": made, "failed": failed}


def _verify(job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    from edgekit.convert.probes import Probes
    from edgekit.samples import Samples
    from edgekit.signature import Signature
    from edgekit.verify.execute import execute

    work = Path(job["work"])
    signature = Signature.from_json(read_json(work / SOURCE)["signature"])
    samples = Samples.load(work / job["samples"])
    _say(folder, f"run the {job['target']} model")
    verdict, call_ms = execute(
        job["target"],
        made_from_json(job["made"]),
        signature,
        samples,
        read_reference(work, signature),
        probes=Probes.load(work),
        metric=job["metric"],
        threads=job["threads"],
    )
    return {"verdict": verdict.to_json(), "call_ms": call_ms}


def _say(folder: Path, step: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {step}", flush=True)  # noqa: T201 - into the log
    (folder / "step").write_text(step, encoding="utf-8")


def _current_step(folder: Path) -> str:
    path = folder / "step"
    return path.read_text(encoding="utf-8") if path.exists() else "start"


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    if os.name == "posix" and os.getpgrp() == os.getpid():
        # What a vendor's converter has started ends too.
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(130)


if __name__ == "__main__":
    main()
