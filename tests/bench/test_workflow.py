"""The workflow template: a workflow as GitHub reads it, whose commands are commands with options that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from edgekit.cli.app import app

TEMPLATE = Path(__file__).parents[2] / "docs" / "workflows" / "benchmark.yml"


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    found: dict[str, Any] = yaml.safe_load(TEMPLATE.read_text("utf-8"))
    return found


def lines(workflow: dict[str, Any]) -> list[str]:
    """Every command of edgekit in it, those in its comments too, with the workflow's variables filled in."""
    scripts = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    text = "\n".join([*scripts, *re.findall(r"^ *# (edgekit .+)$", TEMPLATE.read_text("utf-8"), re.MULTILINE)])
    for name, value in {**workflow["env"], "GITHUB_WORKSPACE": "."}.items():
        text = text.replace(f"${name}", value)
    return re.findall(r"(?:^|&& )(edgekit [^)\n]+)", text, re.MULTILINE)


def test_commands_and_options_exist(workflow: dict[str, Any]) -> None:
    found = lines(workflow)
    assert {line.split()[1] for line in found} == {"convert", "compare", "bench", "report"}
    group = typer.main.get_command(app)
    for line in found:
        _, name, *arguments = shlex.split(line)
        # Parsed as it is when run: an unknown option or a wrong value is refused here.
        context = group.commands[name].make_context(name, arguments)  # type: ignore[attr-defined]
        if name == "compare":
            assert context.params["max_regression"] == "5%"
            assert context.params["github"]
            assert context.params["junit"]


def test_it_is_a_workflow(workflow: dict[str, Any]) -> None:
    # YAML 1.1 reads the key `on` as true.
    assert workflow[True] == "pull_request"
    assert workflow["permissions"] == {"contents": "read"}
    steps = workflow["jobs"]["compare"]["steps"]
    assert all(("run" in step) != ("uses" in step) for step in steps)
    uploads = [step for step in steps if step.get("uses", "").startswith("actions/upload-artifact@")]
    # What did not pass is what one wants to look at.
    assert uploads[0]["if"] == "success() || failure()"
    uploaded = uploads[0]["with"]["path"].split()
    assert {"compare-*.xml", "report.html"} <= set(uploaded)
    written = re.findall(r"--junit (\S+)", "\n".join(lines(workflow)))
    assert all(any(Path(name).match(pattern) for pattern in uploaded) for name in written if name != "bench.xml")
