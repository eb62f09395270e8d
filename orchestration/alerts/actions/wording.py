"""What people write to an action, read strictly: reasons, notes, names, and until when."""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Final

from orchestration.alerts.actions.errors import ActionError

LONGEST: Final = 1_000
"""Characters of a reason, a note or a name; it stands in tables and messages."""
LATEST: Final = datetime(3000, 1, 1, tzinfo=UTC)
# Turn the direction of the text around them, also that of the columns beside a name.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, slots=True)
class Author:
    """Who acts, and `via` what: `cli`, or `api` with the id of a key."""

    name: str
    via: str = "cli"

    def checked(self) -> "Author":
        """The same, without spaces around the name. Raises ActionError."""
        return Author(words(self.name, field="by"), self.via)


def words(text: str, *, field: str) -> str:
    """One line of any script, without the spaces around it. Raises ActionError."""
    found = text.strip()
    if not found:
        raise ActionError(f"{field}: say something; it is empty")
    return note(found, field=field)


def note(text: str, *, field: str) -> str:
    """The same, but it may be empty. Raises ActionError."""
    found = text.strip()
    if len(found) > LONGEST:
        raise ActionError(f"{field}: at most {LONGEST:,} characters, not {len(found):,}")
    for letter in found:
        if unicodedata.category(letter) in ("Cc", "Cs") or letter in _TURNING:
            raise ActionError(f"{field}: it is one line of text, without {letter!a}")
    return found


def to_come(at: datetime, *, field: str, now: datetime) -> datetime:
    """A moment after `now` (aware). Raises ActionError."""
    if at.tzinfo is None:
        raise ActionError(f"{field}: say the time zone, as in 2027-01-31T12:00:00Z")
    if not now < at < LATEST:
        raise ActionError(f"{field}: {at:%Y-%m-%d %H:%M %Z} is not to come (or after the year 2999)")
    return at


def nearest(name: str, known: set[str]) -> str:
    """A hint for what was not found: the names most like it, or those there are."""
    alike = get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    if alike:
        return f"did you mean {' or '.join(alike)}?"
    few = sorted(known)[:5]
    return (
        f"there are {', '.join(few)}{' …' if len(known) > len(few) else ''}" if few else "there is none yet"
    )
