"""`lqo alerts ack|silence|silences|unsilence|mute|mutes|unmute`."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import psycopg
import typer

from ingest.settings import Settings
from orchestration.commands import access_words as words
from orchestration.commands.data import Format
from orchestration.commands.errors import UserError
from orchestration.commands.warehouse import open_warehouse, settings_or_exit

if TYPE_CHECKING:
    from orchestration.alerts.actions.find import Alert
    from orchestration.alerts.actions.silences import Matcher
    from orchestration.alerts.actions.wording import Author

AlertName = Annotated[str, typer.Argument(help="A fingerprint (its first letters do), or a rule.")]
GroupName = Annotated[str | None, typer.Argument(help="With a rule: the group, as a model.")]
By = Annotated[str | None, typer.Option(help="Who asks for it; default your login.")]
Until = Annotated[str, typer.Option(help="A span (2h, 3d) or a time (2027-01-31T12:00, UTC).")]
Reason = Annotated[str, typer.Option(help="Why; whoever looks for the alert reads it.")]
Form = Annotated[Format, typer.Option("--format", help="table, csv or json.")]


def ack(
    alert: AlertName,
    group: GroupName = None,
    note: Annotated[str, typer.Option(help="What you know or do.")] = "",
    by: By = None,
) -> None:
    """Take an alert on that fires; it ends with the alert, and one that comes back needs a new one."""
    from orchestration.alerts.actions.acknowledge import acknowledge

    settings = settings_or_exit()
    with open_warehouse(settings) as connection, _told():
        found = acknowledge(
            connection, _found(connection, settings, alert, group=group), by=_author(by), note=note
        )
    whose = f"{found.acknowledged_by}'s" if found.is_new else f"{found.acknowledged_by}'s already"
    typer.echo(f"{found.rule} of {found.group_key} is {whose} since {_minute(found.acknowledged_at)}")


def silence(
    *,
    until: Until,
    reason: Reason,
    rule: Annotated[str, typer.Option(help="The alert rule; '*' is every one.")] = "*",
    group: Annotated[str, typer.Option(help="What it is about, as a model; '*' is everything.")] = "*",
    severity: Annotated[str | None, typer.Option(help="Only this one: critical, warning or info.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only alerts of this owner.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="Only alerts with this label: name=value.")] = None,
    start: Annotated[str | None, typer.Option(help="From when; default now.")] = None,
    unseen: Annotated[
        bool,
        typer.Option("--unseen", help="The group has not alerted yet: do not ask whether I mistyped it."),
    ] = False,
    by: By = None,
) -> None:
    """Hold messages of alerts back. What they said meanwhile is sent when the silence ends (mute: never)."""
    from orchestration.alerts.actions.known import defined_rules
    from orchestration.alerts.actions.silences import Matcher, add_silence
    from orchestration.alerts.definition.folder import alerts_folder

    settings = settings_or_exit()
    ends_at = words.moment(until, option="--until")
    starts_at = None if start is None else words.moment(start, option="--start")
    matcher = Matcher(rule, group, severity, owner, dict(_label(text) for text in label or ()))
    with open_warehouse(settings) as connection, _told():
        made = add_silence(
            connection,
            matcher,
            starts_at=starts_at,
            ends_at=ends_at,
            reason=reason,
            by=_author(by),
            rules=defined_rules(alerts_folder(settings)),
            is_unseen=unseen,
        )
    since = f" from {_minute(made.starts_at)}" if made.state == "to come" else ""
    typer.echo(f"{made.silence_id}: {_whom(matcher)} silent{since} until {_minute(made.ends_at)}")


def silences(form: Form = Format.TABLE) -> None:
    """List the silences, and those that ended in the last 30 days."""
    from orchestration.alerts.actions.silences import LIST_SILENCES
    from orchestration.commands.query import print_statement

    with open_warehouse(settings_or_exit()) as connection:
        print_statement(connection, LIST_SILENCES, form=form.value, is_rounded=True)


def unsilence(
    silence: Annotated[str, typer.Argument(help="The silence's id (its first letters do).")], by: By = None
) -> None:
    """End a silence now; what it held back is sent."""
    from orchestration.alerts.actions.silences import end_silence, find_silence

    with open_warehouse(settings_or_exit()) as connection, _told():
        silence_id = find_silence(connection, silence)
        is_ended = end_silence(connection, silence_id, by=_author(by))
    typer.echo(f"{silence_id} is over" if is_ended else f"{silence_id} was over already")


def mute(
    rule: Annotated[str, typer.Argument(help="The alert rule.")], until: Until, reason: Reason, by: By = None
) -> None:
    """Send nothing of a rule, nor afterwards what it said until then; it is evaluated and recorded."""
    from orchestration.alerts.actions.known import defined_rules
    from orchestration.alerts.actions.mutes import mute as mute_rule
    from orchestration.alerts.definition.folder import alerts_folder

    settings = settings_or_exit()
    ends_at = words.moment(until, option="--until")
    with open_warehouse(settings) as connection, _told():
        made = mute_rule(
            connection,
            rule,
            ends_at=ends_at,
            reason=reason,
            by=_author(by),
            rules=defined_rules(alerts_folder(settings)),
        )
    typer.echo(f"{made.rule} is mute until {_minute(made.ends_at)}; what it says until then is never sent")


def mutes(form: Form = Format.TABLE) -> None:
    """List the rules that are mute, and mutes that ended in the last 30 days."""
    from orchestration.alerts.actions.mutes import LIST_MUTES
    from orchestration.commands.query import print_statement

    with open_warehouse(settings_or_exit()) as connection:
        print_statement(connection, LIST_MUTES, form=form.value, is_rounded=True)


def unmute(rule: Annotated[str, typer.Argument(help="The alert rule.")], by: By = None) -> None:
    """Let a rule be heard from now on."""
    from orchestration.alerts.actions.known import defined_rules
    from orchestration.alerts.actions.mutes import unmute as unmute_rule
    from orchestration.alerts.definition.folder import alerts_folder

    settings = settings_or_exit()
    with open_warehouse(settings) as connection, _told():
        rules = defined_rules(alerts_folder(settings))
        is_ended = unmute_rule(connection, rule, by=_author(by), rules=rules)
    typer.echo(f"{rule} is heard again" if is_ended else f"{rule} was not mute")


def find(connection: psycopg.Connection, settings: Settings, name: str, *, group: str | None) -> "Alert":
    """The alert that was named; raises UserError."""
    with _told():
        return _found(connection, settings, name, group=group)


def _found(connection: psycopg.Connection, settings: Settings, name: str, *, group: str | None) -> "Alert":
    from orchestration.alerts.actions.find import find_alert
    from orchestration.alerts.actions.known import defined_rules
    from orchestration.alerts.definition.folder import alerts_folder

    return find_alert(connection, name, group=group, rules=defined_rules(alerts_folder(settings)))


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with a wish, as a person reads it: words and times are bad usage."""
    from orchestration.alerts.actions.errors import ActionError

    try:
        yield
    except ActionError as error:
        raise UserError(str(error), code=2 if error.kind == "bad" else 1) from error


def _author(by: str | None) -> "Author":
    from orchestration.alerts.actions.wording import Author

    return Author(getpass.getuser() if by is None else by)


def _label(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise UserError(f"--label must be such as team=search, not {text[:80]!r}", code=2)
    return name, value


def _whom(matcher: "Matcher") -> str:
    """What a silence is of, in words: one without a condition is of everything, and says so."""
    rule = "every rule" if matcher.rule == "*" else matcher.rule
    said = [rule if matcher.group == "*" else f"{rule} of {matcher.group}"]
    said += [f"severity {matcher.severity}"] if matcher.severity else []
    said += [f"owner {matcher.owner}"] if matcher.owner else []
    said += [f"{name}={value}" for name, value in matcher.labels.items()]
    is_all = len(said) == 1 and said[0] == "every rule"
    return "EVERY alert of every rule is" if is_all else f"{', '.join(said)} is"


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
