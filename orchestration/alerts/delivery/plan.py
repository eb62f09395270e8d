"""Which channels there are and what goes where: `channels.yaml`, beside what the environment names."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.settings import load_settings
from orchestration.alerts.definition.folder import rules_folder
from orchestration.alerts.definition.problems import FileProblemsError, Problem
from orchestration.alerts.definition.validate import read_struct
from orchestration.alerts.definition.yaml_text import Node, read_node
from orchestration.alerts.delivery.specs import ChannelFile, EmailSpec, Route, SlackSpec, Spec

FILE = "channels.yaml"
UNROUTED = "unrouted"
"""Where alerts wait while the file cannot be read; the sender routes them once it can."""
ALERTMANAGER = "alertmanager"
SLACK, EMAIL = "slack", "email"
"""The channels of the environment."""
_RESERVED = (UNROUTED, ALERTMANAGER)


@dataclass(frozen=True, slots=True)
class Plan:
    """Channels by name, routes in order, and the default. `env_channels` are those of the environment.

    `problem`: why the file cannot be used, in a line. `to_alertmanager`: it routes alerts instead of us.
    """

    specs: Mapping[str, Spec]
    env_channels: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    default: tuple[str, ...] = (SLACK,)
    reports: tuple[str, ...] = ()
    to_alertmanager: bool = False
    problem: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.specs, *self.env_channels)))

    @property
    def mails(self) -> frozenset[str]:
        """The channels that are e-mail."""
        found = {name for name, spec in self.specs.items() if isinstance(spec, EmailSpec)}
        return frozenset(found | ({EMAIL} - self.specs.keys()))


def current_plan(environ: Mapping[str, str] | None = None) -> Plan:
    """The plan of this moment. Never raises: one that cannot be read has a `problem`, and alerts wait."""
    env = os.environ if environ is None else environ
    plan = _plan_of_environment(env)
    path = channels_path(env)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return plan
    except OSError as error:
        return replace(plan, problem=f"{path}: cannot be read ({error.strerror or type(error).__name__})")
    try:
        return _with_file(plan, read_channels(data, env_channels=plan.env_channels, source=str(path)))
    except FileProblemsError as error:
        return replace(plan, problem=str(error))


def find_problems(environ: Mapping[str, str] | None = None) -> tuple[Problem, ...]:
    """Everything that is wrong with the file, in the order of its lines."""
    env = os.environ if environ is None else environ
    path = channels_path(env)
    try:
        read_channels(
            path.read_bytes(), env_channels=_plan_of_environment(env).env_channels, source=str(path)
        )
    except FileNotFoundError:
        return ()
    except OSError as error:
        return (Problem(str(path), 0, "", f"cannot be read ({error.strerror or type(error).__name__})"),)
    except FileProblemsError as error:
        return error.problems
    return ()


def channels_path(environ: Mapping[str, str] | None = None) -> Path:
    """`channels.yaml`, which stands beside the users' rules: `LQO_ALERTS`, else `alerts/` of `LQO_HOME`."""
    env = os.environ if environ is None else environ
    return rules_folder(load_settings(env), env) / FILE


def read_channels(data: bytes, *, env_channels: tuple[str, ...] = (), source: str = FILE) -> ChannelFile:
    """The file's text, checked. Raises FileProblemsError, each problem a line with file, line and field."""
    file = read_struct(data, ChannelFile, source=source)
    if problems := list(_inconsistencies(file, read_node(data), env_channels=env_channels, source=source)):
        raise FileProblemsError(problems)
    return file


def _plan_of_environment(env: Mapping[str, str]) -> Plan:
    """As ever: Slack where it is set; a mail server alone gets alerts where there is no Slack."""
    found = [SLACK] * bool(env.get("LQO_SLACK_WEBHOOK_URL"))
    found += [EMAIL] * bool(env.get("LQO_SMTP_HOST", "").strip())
    default = (EMAIL,) if found == [EMAIL] else (SLACK,)
    is_away = bool(env.get("ALERTMANAGER_URL", "").strip())
    return Plan({}, tuple(found), default=default, reports=tuple(found), to_alertmanager=is_away)


def _with_file(plan: Plan, file: ChannelFile) -> Plan:
    specs = {spec.name: spec for spec in file.channels}
    carries = {name for name, spec in specs.items() if isinstance(spec, (SlackSpec, EmailSpec))}
    reports = tuple(file.reports) or tuple(
        name
        for name in dict.fromkeys((*plan.env_channels, SLACK, EMAIL))
        if name in plan.reports or name in carries
    )
    default = tuple(file.default) or (plan.default if plan.env_channels else ())
    return replace(plan, specs=specs, routes=tuple(file.routes), default=default, reports=reports)


def _inconsistencies(
    file: ChannelFile, node: Node, *, env_channels: tuple[str, ...], source: str
) -> Iterator[Problem]:
    """What the types cannot say: names that stand twice, or for nothing."""
    kinds: dict[str, Spec | None] = dict.fromkeys(env_channels)
    seen: set[str] = set()
    for number, spec in enumerate(file.channels):
        line = _line(node, "channels", number, "name")
        if spec.name in seen or spec.name in _RESERVED:
            reason = "is kept for us" if spec.name in _RESERVED else "stands twice"
            yield Problem(source, line, f"channels[{number}].name", f"{spec.name} {reason}")
        seen.add(spec.name)
        kinds[spec.name] = spec
    places = [
        (f"routes[{n}].channels", ("routes", n, "channels"), one.channels)
        for n, one in enumerate(file.routes)
    ]
    places += [("default", ("default",), file.default), ("reports", ("reports",), file.reports)]
    for field, path, names in places:
        for number, name in enumerate(names):
            if name not in kinds:
                known = ", ".join(kinds) or "none"
                yield Problem(
                    source, _line(node, *path, number), field, f"{name} is no channel; there are {known}"
                )
            elif field == "reports" and not isinstance(kinds[name], (SlackSpec, EmailSpec, type(None))):
                yield Problem(
                    source, _line(node, *path, number), field, f"{name} carries no report: slack or email do"
                )


def _line(node: Node, *path: str | int) -> int:
    """The line of what stands there, or of the last that does."""
    for step in path:
        if isinstance(step, str) and node.fields is not None and step in node.fields:
            node = node.fields[step]
        elif isinstance(step, int) and node.items is not None and step < len(node.items):
            node = node.items[step]
    return node.line
