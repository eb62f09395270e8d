"""What keeps a replay from being done as it was asked for."""


class ReplayError(ValueError):
    """The replay cannot be done; the message is one line, and nothing was paid for it."""
