"""Errors that a person reads: one line, no traceback."""


class UserError(Exception):
    """Something the person can act on; `code` is the exit status (2: bad usage)."""

    def __init__(self, message: str, *, code: int = 1) -> None:
        super().__init__(" ".join(message.split()))
        self.code = code


def one_line(error: BaseException) -> str:
    """The error as one line; set LQO_DEBUG=1 for the traceback."""
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{text} (LQO_DEBUG=1 shows the traceback)"
