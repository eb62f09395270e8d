"""A bridge as people and programs read it: the page, the JSON, a few lines."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from evaluators.statistics.estimate import Estimate
from orchestration.versions.bridging import BridgeReport, known
from reports.bridge import BridgePage, Example, write_bridge_page


def write_page(report: BridgeReport, *, out_dir: Path) -> Path:
    """The HTML page of the bridge; replaces the one of the same two versions."""
    return write_bridge_page(
        BridgePage(
            evaluator=report.before.evaluator,
            from_version=report.before.version,
            to_version=report.after.version,
            first_day=report.first_day,
            last_day=report.last_day,
            bridge=report.bridge,
            n_shared=report.n_shared,
            n_only_from=report.n_only_from,
            n_only_to=report.n_only_to,
            examples=_examples(report),
        ),
        out_dir=out_dir,
    )


def to_json(report: BridgeReport) -> dict[str, Any]:
    """Everything on the page as plain values; what is unknown is None."""
    bridge = report.bridge
    return {
        "evaluator": report.before.evaluator,
        "from_version": report.before.version,
        "to_version": report.after.version,
        "first_day": report.first_day.isoformat(),
        "last_day": report.last_day.isoformat(),
        "n_shared": report.n_shared,
        "n_compared": bridge.n,
        "n_only_from": report.n_only_from,
        "n_only_to": report.n_only_to,
        "is_enough": bridge.is_enough,
        "mean_from": _figures(bridge.mean_from),
        "mean_to": _figures(bridge.mean_to),
        "agreement": _figures(bridge.agreement),
        "kappa": _figures(bridge.kappa),
        "shift": _figures(bridge.shift),
        "n_flips": bridge.n_flips,
        "flips": [{"from": one, "to": other, "n": n} for one, other, n in bridge.flips],
        "strata": [
            {
                "dimension": stratum.dimension,
                "stratum": stratum.name,
                "n": stratum.n,
                "agreement": _figures(stratum.agreement),
                "kappa": _figures(stratum.kappa),
                "shift": _figures(stratum.shift),
            }
            for stratum in bridge.strata
        ],
        "examples": [
            {
                "call_id": example.call.call_id,
                "started_at": example.started_at.isoformat() if example.started_at else None,
                "model": example.call.model,
                "prompt": example.call.prompt,
                "from": example.call.verdicts[0],
                "to": example.call.verdicts[1],
                "input_preview": example.input_preview,
                "output_preview": example.output_preview,
                "explanation_from": example.explanation_from,
                "explanation_to": example.explanation_to,
            }
            for example in _examples(report)
        ],
    }


def summary(report: BridgeReport) -> str:
    """The figures in a few lines."""
    bridge = report.bridge
    lines = [
        f"{report.before} → {report.after.version}, {report.first_day} to {report.last_day}",
        f"shared calls {report.n_shared:,}  only the older {report.n_only_from:,}"
        f"  only the newer {report.n_only_to:,}",
        f"agreement {_say(bridge.agreement)}  kappa {_say(bridge.kappa)}  flips {bridge.n_flips:,}",
        f"mean {_value(bridge.mean_from)} → {_value(bridge.mean_to)}  shift {_say(bridge.shift)}",
    ]
    if not bridge.is_enough:
        lines.append("too few shared calls to promote on: 200 are needed")
    return "\n".join(lines)


def _examples(report: BridgeReport) -> list[Example]:
    found: list[Example] = []
    for call in report.bridge.examples:
        told = report.explained.get(call.call_id)
        found.append(
            Example(call, None, None, None, None, None)
            if told is None
            else Example(
                call,
                told.started_at,
                told.input_preview,
                told.output_preview,
                told.explanation_from,
                told.explanation_to,
            )
        )
    return found


def _figures(estimate: Estimate) -> dict[str, float | int | None]:
    return {
        name: known(value) if isinstance(value, float) else value for name, value in asdict(estimate).items()
    }


def _say(estimate: Estimate) -> str:
    if not estimate.has_interval:
        return _value(estimate)
    return f"{_value(estimate)} [{estimate.low:.3f}, {estimate.high:.3f}]"


def _value(estimate: Estimate) -> str:
    return f"{estimate.value:.3f}" if estimate.is_known else "unknown"
