"""Logs of the long-running parts: one line an event on standard error, JSON unless a person is watching.

No prompt, answer, key or provider's message is ever logged: rows have those, with grants of their own.
"""

import atexit
import contextlib
import logging
import queue
import sys
from collections.abc import Mapping
from logging.handlers import QueueHandler, QueueListener

from pythonjsonlogger.json import JsonFormatter

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
FORMATS = ("json", "text")
_LONGEST_QUEUE = 10_000


class LogSettingsError(ValueError):
    """A variable names no such level or format; the message is one line."""


def set_up_logs(environ: Mapping[str, str], *, in_background: bool = False) -> None:
    """The root logger by `LQO_LOG_LEVEL` (INFO) and `LQO_LOG_FORMAT` (text on a terminal, else json).

    `in_background` writes from a thread of its own, so that whoever reads our standard error slowly cannot
    hold up an event loop; what 10,000 waiting lines leave no room for is dropped.
    """
    level = environ.get("LQO_LOG_LEVEL", "INFO").upper()
    form = environ.get("LQO_LOG_FORMAT") or ("text" if sys.stderr.isatty() else "json")
    if level not in LEVELS:
        raise LogSettingsError(f"LQO_LOG_LEVEL must be one of {', '.join(LEVELS)}, not {level!r}")
    if form not in FORMATS:
        raise LogSettingsError(f"LQO_LOG_FORMAT must be json or text, not {form!r}")
    handler = logging.StreamHandler()
    handler.setFormatter(_json() if form == "json" else logging.Formatter("%(levelname)s %(message)s"))
    # Its start and stop lines say nothing that ours do not.
    logging.getLogger("uvicorn.error").setLevel(max(logging.WARNING, logging.getLevelName(level)))
    logging.basicConfig(level=level, handlers=[_queued(handler) if in_background else handler], force=True)


class _Dropping(QueueHandler):
    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


def _queued(handler: logging.Handler) -> logging.Handler:
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(_LONGEST_QUEUE)
    listener = QueueListener(waiting, handler)
    listener.start()
    atexit.register(listener.stop)
    entry = _Dropping(waiting)
    # It formats before it queues: the message alone, as the line is made behind the queue.
    entry.setFormatter(logging.Formatter("%(message)s"))
    return entry


def _json() -> logging.Formatter:
    return JsonFormatter(
        "{message}{levelname}{name}",
        style="{",
        timestamp=True,
        json_ensure_ascii=False,
        rename_fields={"levelname": "level", "name": "logger"},
    )
