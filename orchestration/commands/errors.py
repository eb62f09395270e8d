"""Errors that a person reads: one line, no traceback."""


class UserError(Exception):
    """Something the person can act on; `code` is the exit status (2: bad usage)."""

    def __init__(self, message: str, *, code: int = 1) -> None:
        super().__init__(" ".join(message.split()))
        self.code = code


OURS = ("evaluators", "ingest", "orchestration", "reports")


def one_line(error: BaseException) -> str:
    """The error as one line; one that is not ours says how to see its traceback."""
    text = " ".join(str(error).split()) or type(error).__name__
    is_ours = type(error).__module__.partition(".")[0] in OURS
    return text if is_ours else f"{text} (LQO_DEBUG=1 shows the traceback)"
