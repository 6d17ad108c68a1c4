"""The rows that others read, and whether the goals are reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from quantization.full import BASELINE

# A ratio of 0.95, or an interval that holds 1, is not behind; the search may be a tenth slower than the grid.
NOT_BEHIND, NEAR_THE_GRID, SHARE_OF_ITS_COST = 0.95, 0.9, 0.25
OTHERS = ("onnxruntime", "ai-edge-quantizer", "nncf", "olive-ai")


def rows_of(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row a side: what was timed at full size, and what its like loses when small."""
    losses = _losses(found)
    for name, side in found["full"]["sides"].items():
        tool, metric = name.partition(" ")[0] if name.startswith("edgekit") else name, losses.get(name)
        yield {
            "network": found["network"],
            "tool": tool,
            "target": side["target"],
            "scheme": side["scheme"],
            "speedup": side["speedup"],
            "speedup_low": side["low"],
            "speedup_high": side["high"],
            "metric_float": metric["original"] if metric else None,
            "metric_quantized": metric["converted"] if metric else None,
            "loss_high": metric["high"] if metric else None,
            "within": name in _keeping(found),
            "sqnr_db": side["sqnr_db"],
            "agreement": side["agreement"],
            "bytes": side["bytes"],
        }


def rows_of_pretrained(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """A row a side of a network without labels: instead of a metric, how often it answers as the original."""
    for name, side in found["sides"].items():
        tool = name.partition(" ")[0] if name.startswith("edgekit") else name
        measured = {key: side[key] for key in ("target", "scheme", "speedup", "agreement", "sqnr_db", "bytes")}
        interval = {"speedup_low": side["low"], "speedup_high": side["high"]}
        metric = {"metric_float": None, "metric_quantized": None}
        yield {"network": found["network"], "tool": tool, **measured, **interval, **metric}


def goals(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each goal of each network with what was reached."""
    return [goal for one in found for goal in _goals(one)]


def _goals(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    sides, network = found["full"]["sides"], found["network"]
    ours = best_of_ours(found)
    speedup = sides[ours]["speedup"] if ours else 0.0
    yield _goal(network, f"{found['goal']:g} × plain float32", speedup, reached=speedup >= found["goal"])
    for name in OTHERS:
        if name not in sides:
            yield _goal(network, f"not behind {name}", None, note=found["full"]["failed"].get(name, "no file"))
        elif name not in _keeping(found):
            yield _goal(network, f"not behind {name}", None, reached=True, note="outside the budget")
        else:
            other = sides[name]
            ratio = speedup / other["speedup"]
            same = bool(ours) and sides[ours]["high"] >= other["low"]
            yield _goal(network, f"not behind {name}", ratio, reached=ratio >= NOT_BEHIND or same)
    grid = found["small"]["grid"]
    for target, one in grid["targets"].items():
        ratio = 1 / one["ratio"]["value"] if one["ratio"] else None
        # Where neither finds anything they agree.
        near = ratio >= NEAR_THE_GRID or one["ratio"]["low"] <= 1 if ratio else one["search"] == one["grid"]
        yield _goal(network, f"within 10 % of the grid's best, {target}", ratio, reached=near)
    share = grid["search_seconds"] / grid["seconds"]
    yield _goal(network, "a quarter of the grid's cost", share, reached=share <= SHARE_OF_ITS_COST)


def _goal(
    network: str, goal: str, value: float | None, *, reached: bool | None = None, note: str = ""
) -> dict[str, Any]:
    return {"network": network, "goal": goal, "value": value, "reached": reached, "note": note}


def best_of_ours(found: Mapping[str, Any]) -> str | None:
    """The fastest of edgekit's sides that keeps the budget."""
    sides = found["full"]["sides"]
    ours = [name for name in sides if name.startswith("edgekit ")]
    return max(ours, key=lambda name: float(sides[name]["speedup"]), default=None)


def _keeping(found: Mapping[str, Any]) -> set[str]:
    """The sides that keep the budget; those of float32 do."""
    peers = {name for name, row in found["peers"]["rows"].items() if row["within"] and name != "plain"}
    return peers | {name for name in found["full"]["sides"] if name.startswith("edgekit ") or name == BASELINE}


def _losses(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What each side's like loses when small."""
    losses = {name: row["metric"] for name, row in found["peers"]["rows"].items()}
    losses[BASELINE] = losses.pop("plain")
    for one in found["small"]["candidates"]:
        for name, side in found["full"]["sides"].items():
            if name == f"edgekit {one['target']}" and side["scheme"] == one["name"]:
                losses[name] = one["metric"]
            if name.startswith("OpenVINO") and (one["target"], one["name"]) == ("onnx", "int8"):
                losses[name] = one["metric"]
    return losses
