"""What budgets remember over a restart, a kill included: a small file, and what the spool says since.

Each call's START names its reservation (`grant`: run and number) and its amounts, its END what was spent.
The file holds all accounts as of one instant and the reservations that were open then. A call of the same run
counts from the spool if it was open in the file or is numbered later; every other one is in the file already.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from uuid import UUID, uuid4

import msgspec

from ingest.limits.ledger import Amounts, Ledger, State, in_places, pico
from ingest.spool.reader import list_segments, read_records
from ingest.spool.records import End, Record, Start

FILE = "budgets.json"
GRANT = "grant"
"""The one name in `reserved` that is no account."""
_MARGIN_SECONDS = 60.0

_decoder = msgspec.json.Decoder(State)


def open_ledger(spool: Path, *, is_wanted: bool = True) -> Ledger:
    """The ledger as the last run left it, under a new epoch that is on disk before anything is reserved.

    Call it as the owner of the spool, before anything is written. Without a file the whole spool is read,
    if `is_wanted`: there is something to look for. Raises OSError where the file cannot be written.
    """
    path = spool / FILE
    state = _load(path)
    spent: Amounts = {} if state is None else dict(state.spent)
    if state is not None or is_wanted:
        since = 0.0 if state is None else path.stat().st_mtime - _MARGIN_SECONDS
        for account, amount in _since(_records(spool, since=since), state=state).items():
            spent[account] = spent.get(account, 0) + amount
    ledger = Ledger(epoch=uuid4().hex, spent=spent)
    save(path, ledger.state())
    return ledger


def save(path: Path, state: State) -> None:
    """Replace the file, whole or not at all, also when the power fails. Raises OSError."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def grant_said(epoch: str, number: int, amounts: Mapping[str, str]) -> dict[str, str]:
    """What START says of a reservation, and END of what became of it."""
    return {GRANT: f"{epoch}:{number}", **amounts}


def amounts_said(said: Mapping[str, str]) -> Amounts:
    """The amounts (pico-USD) in a START's `reserved` or an END's `spent`; what is no amount is left out."""
    found: Amounts = {}
    for account, usd in said.items():
        if account == GRANT:
            continue
        try:
            amount = Decimal(usd)
        except InvalidOperation:
            continue
        if amount.is_finite() and amount >= 0:
            found[account] = pico(amount)
    return found


def _load(path: Path) -> State | None:
    """The file's state. A damaged one counts as none: the spool then says all it still knows."""
    try:
        return in_places(_decoder.decode(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        path.replace(path.with_suffix(".broken"))
        return None


def _since(records: Iterable[Record], *, state: State | None) -> Amounts:
    """What the accounts owe beyond the file: spent where a call has its END, else all it reserved."""
    owed: dict[str, Amounts] = {}
    grants: dict[UUID, str] = {}
    if state is not None:
        owed = {f"{state.epoch}:{number}": dict(amounts) for number, amounts in state.open.items()}
    for record in records:
        if isinstance(record, Start) and (grant := record.reserved.get(GRANT)) is not None:
            grants[record.call_id] = grant
            if _is_later(grant, state=state):
                owed[grant] = amounts_said(record.reserved)
        elif isinstance(record, End) and record.spent:
            grant = record.spent.get(GRANT) or grants.get(record.call_id, "")
            if grant in owed:
                owed[grant] = amounts_said(record.spent)
    total: Amounts = {}
    for amounts in owed.values():
        for account, amount in amounts.items():
            total[account] = total.get(account, 0) + amount
    return total


def _is_later(grant: str, *, state: State | None) -> bool:
    """Whether a reservation was made after the file was."""
    if state is None:
        return True
    epoch, _, number = grant.partition(":")
    return epoch == state.epoch and number.isdecimal() and int(number) >= state.next_grant


def _records(spool: Path, *, since: float) -> Iterator[Record]:
    """All records of the segments that changed after a Unix time, in the order they were written."""
    for segment in list_segments(spool):
        if _changed_at(segment.path) < since:
            continue
        seq, is_end = 0, False
        while not is_end:
            batch = read_records(segment, after_seq=seq)
            yield from (entry.record for entry in batch.entries if entry.record is not None)
            seq, is_end = batch.entries[-1].seq if batch.entries else seq, batch.is_end or not batch.entries


def _changed_at(segment: Path) -> float:
    times = [0.0]
    for path in (segment, segment.with_name(f"{segment.name}-wal")):
        if path.exists():
            times.append(path.stat().st_mtime)
    return max(times)
