"""The endpoints that take in what the proxy did not see itself."""

from collections.abc import Awaitable, Callable
from datetime import date

from ingest.intake.calls import CallsPage
from ingest.intake.desk import Count, Desk
from ingest.intake.feedback import FeedbackPage
from ingest.intake.traces import TracesPage
from ingest.proxy.http import Receive, Scope, Send
from ingest.proxy.ports import Caller, Privacy
from ingest.spool.writer import Spool

Page = Callable[[Scope, Receive, Send, Caller], Awaitable[int]]


def intake_pages(spool: Spool, *, privacy: Privacy, start: date, count: Count) -> dict[str, Page]:
    """The pages by path; what they take stands in `spool` before they answer, and is told to `count`."""
    desk = Desk(spool, privacy=privacy, start=start, count=count)
    return {
        "/v1/calls": CallsPage(desk),
        "/v1/traces": TracesPage(desk),
        "/v1/feedback": FeedbackPage(desk),
    }
