"""Which channels an alert goes to: the rule's own, else the routes', else the default ones."""

from orchestration.alerts.delivery.plan import ALERTMANAGER, UNROUTED, Plan
from orchestration.alerts.delivery.specs import Match
from orchestration.alerts.message import AlertMessage


def route(message: AlertMessage, plan: Plan) -> list[str]:
    """Names of channels, each once; empty where a route says so.

    With an Alertmanager everything goes there. While the plan cannot be read, everything waits as `unrouted`.
    """
    if plan.to_alertmanager:
        return [ALERTMANAGER]
    if message.channels:
        return list(dict.fromkeys(message.channels))
    if plan.problem is not None:
        return [UNROUTED]
    found: list[str] = []
    is_matched = False
    for one in plan.routes:
        if not matches(one.match, message):
            continue
        is_matched = True
        found += one.channels
        if not one.goes_on:
            break
    return list(dict.fromkeys(found if is_matched else plan.default))


def matches(match: Match, message: AlertMessage) -> bool:
    """Whether the alert is all that the match names; a label may be one of its dimensions, too."""
    named = {**message.group, **message.labels}
    return (
        (not match.severity or message.severity in match.severity)
        and (not match.owner or message.owner in match.owner)
        and (not match.rule or message.rule in match.rule)
        and all(named.get(name) == value for name, value in match.labels.items())
    )
