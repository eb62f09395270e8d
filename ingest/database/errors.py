"""What can go wrong with a server of our own, as one line."""

from ingest.database.connect import DatabaseUnavailable


class EmbeddedServerError(DatabaseUnavailable):
    """The embedded server cannot be started or used; the message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()), is_transient=False)
