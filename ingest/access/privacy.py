"""What may be kept of each project's calls, as `access.projects` says it."""

import hmac
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from evaluators.masking import KINDS, Clock, Masker, MaskingError, PatternError, compile_patterns
from evaluators.masking_json import mask_json
from ingest.access.snapshot import ProjectRow, Snapshot
from ingest.proxy.ports import Keep, Keeping

logger = logging.getLogger(__name__)

EVERY_PROJECT = "*"
"""The row that speaks for every project without one of its own, and for calls without a project."""
USER_ID = "user_id"
MASK_KINDS = KINDS | {USER_ID}
MASK_SECONDS = 5.0
"""A megabyte of ordinary text takes a quarter of a second; what takes longer than this is shed."""


class ProjectError(ValueError):
    """A project's wish cannot be carried out; the message is one line."""


@dataclass(frozen=True, slots=True)
class ProjectKeeping:
    """One project's wish. Masking is the same for `masked` and, for what is no body, `none`."""

    keep: Keep
    pepper: bytes = field(repr=False)
    masker: Masker = field(default_factory=Masker)
    hides_users: bool = False

    def mask(self, text: str) -> str:
        return self.masker.mask(text, clock=_clock())

    def mask_body(self, body: bytes) -> bytes:
        return mask_json(body, self.masker, clock=_clock()) if body else b""

    def user(self, user_id: str) -> str:
        """An HMAC where the project hides its users, or where a mask would make them all the same."""
        if not (self.hides_users or (self.keep in ("masked", "none") and self._would_mask(user_id))):
            return user_id
        digest = hmac.digest(self.pepper, b"user:" + user_id.encode("utf-8", "surrogatepass"), "sha256")
        return f"u-{digest.hex()[:32]}"

    def _would_mask(self, text: str) -> bool:
        try:
            return self.mask(text) != text
        except MaskingError:
            return True


class ProjectPrivacy:
    """The privacy port; `rows_of` and `take_in` belong to a follower's listener."""

    def __init__(self, *, pepper: bytes, otherwise: Keep = "full") -> None:
        """`otherwise` is for projects that no row speaks for, also while there is no snapshot at all."""
        self._pepper = pepper
        self._otherwise: Keeping = ProjectKeeping(otherwise, pepper)
        self._by_project: Mapping[str, Keeping] = {}

    def of(self, project: str | None) -> Keeping:
        found = self._by_project.get(project) if project is not None else None
        return found or self._by_project.get(EVERY_PROJECT) or self._otherwise

    def rows_of(self, snapshot: Snapshot) -> Mapping[str, Keeping]:
        """Each project's row made ready; long work where there are many patterns."""
        return {row.project: self._ready(row) for row in snapshot.projects}

    def take_in(self, rows: Mapping[str, Keeping]) -> None:
        self._by_project = rows

    def _ready(self, row: ProjectRow) -> Keeping:
        try:
            return keeping_of(row, pepper=self._pepper)
        except ProjectError as error:
            # A wish that is not understood may have been one for silence.
            logger.error("of project %s only metadata are kept: %s", row.project, error)
            return ProjectKeeping("none", self._pepper, hides_users=True)


def keeping_of(row: ProjectRow, *, pepper: bytes) -> ProjectKeeping:
    """The row, its patterns compiled. No kind (but `user_id`) means all. Raises ProjectError."""
    given = frozenset(row.mask_kinds)
    if unknown := given - MASK_KINDS:
        known = ", ".join(sorted(MASK_KINDS))
        raise ProjectError(f"there is no kind {', '.join(sorted(unknown))} to mask, only {known}")
    try:
        patterns = compile_patterns(row.mask_patterns)
    except PatternError as error:
        raise ProjectError(str(error)) from None
    kinds = given - {USER_ID} or KINDS
    return ProjectKeeping(row.keep, pepper, Masker(kinds, patterns), hides_users=USER_ID in given)


def _clock() -> Clock:
    # On the event loop giving way would only wait for the threads that mask.
    return Clock(MASK_SECONDS, gives_way=threading.current_thread() is not threading.main_thread())
