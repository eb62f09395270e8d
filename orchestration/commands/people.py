"""Who sits at the terminal."""

import getpass


def login() -> str:
    """The login's name, `unknown` where the system has none (a container's bare user id)."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
