"""What may be wrong with what somebody asks of an alert."""

from typing import Literal

# bad: the words or times; unknown: no such alert, rule or silence; conflict: it is in no state for that.
Kind = Literal["bad", "unknown", "conflict"]


class ActionError(ValueError):
    """It cannot be done; the message is one line."""

    def __init__(self, message: str, *, kind: Kind = "bad") -> None:
        super().__init__(" ".join(message.split()))
        self.kind: Kind = kind
