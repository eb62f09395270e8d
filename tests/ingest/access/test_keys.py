"""Keys of ours: what is kept of them, and until when one opens the door."""

from datetime import UTC, datetime, timedelta

from ingest.access.keys import KEY_PREFIX, KeyBook, first_of_line, hash_of, new_key
from ingest.access.snapshot import KeyRow

NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
SECRET = b"lqo_some-key"


def row(**given: object) -> KeyRow:
    fields = {
        "key_id": "key_1",
        "prefix": "lqo_some",
        "secret_hash": hash_of(SECRET),
        "owner": "김철수",
        "created_at": NOW,
    }
    return KeyRow(**(fields | given))  # pyright: ignore[reportArgumentType]


def book(*rows: KeyRow, at: datetime = NOW, read_at: datetime = NOW) -> KeyBook:
    return KeyBook(rows, read_at_ns=_ns(read_at), clock_ns=lambda: _ns(at))


def _ns(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000


def test_a_key_is_recognisable_and_has_at_least_128_random_bits() -> None:
    keys = [new_key() for _ in range(100)]
    assert all(key.secret.startswith(KEY_PREFIX) and len(key.secret) == 4 + 43 for key in keys)
    assert len({key.secret for key in keys} | {key.key_id for key in keys}) == 200


def test_nothing_that_is_kept_tells_the_key() -> None:
    key = new_key()
    assert key.secret_hash == hash_of(key.secret.encode())
    assert len(key.secret) - len(key.prefix) >= 128 / 6
    assert key.secret.removeprefix(key.prefix) not in key.key_id


def test_a_key_opens_with_its_owners_rights() -> None:
    caller = book(row(project="챗봇", environment="prod", allowed_models=("fast",))).find(SECRET)
    assert caller is not None
    assert (caller.key_id, caller.owner, caller.project) == ("key_1", "김철수", "챗봇")
    assert caller.allowed_models == {"fast"}
    assert caller.is_trusted
    assert not caller.forwards_key


def test_a_key_nobody_has_opens_nothing() -> None:
    known = book(row())
    assert known.find(SECRET + b"x") is None
    assert known.find(b"") is None
    assert known.find(hash_of(SECRET)) is None
    assert known.find(b"lqo_" + b"x" * 10_000_000) is None


def test_a_key_ends_at_its_expiry_to_the_moment() -> None:
    expiring = row(expires_at=NOW)
    assert book(expiring, at=NOW - timedelta(microseconds=1), read_at=NOW - timedelta(1)).find(SECRET)
    assert book(expiring, at=NOW).find(SECRET) is None


def test_a_revoked_key_is_over_whatever_the_clocks_say() -> None:
    assert book(row(revoked_at=NOW + timedelta(hours=1))).find(SECRET) is None


def test_a_replaced_key_lives_until_its_overlap_is_over() -> None:
    replaced = row(replaced_by="key_2", overlap_until=NOW, expires_at=NOW + timedelta(days=9))
    assert book(replaced, at=NOW - timedelta(seconds=1), read_at=NOW - timedelta(1)).find(SECRET)
    assert book(replaced, at=NOW).find(SECRET) is None


def test_a_clock_that_was_set_back_revives_no_key() -> None:
    assert book(row(expires_at=NOW), at=NOW - timedelta(days=30), read_at=NOW).find(SECRET) is None


def test_a_line_of_rotations_counts_as_its_first_key() -> None:
    rows = [
        row(key_id="c", secret_hash=b"c"),
        row(key_id="a", secret_hash=b"a", replaced_by="b"),
        row(key_id="b", secret_hash=b"b", replaced_by="c"),
        row(key_id="other", secret_hash=b"o"),
    ]
    assert first_of_line(rows) == {"b": "a", "c": "a"}


def test_a_line_that_bites_its_tail_has_an_end() -> None:
    rows = [
        row(key_id="a", secret_hash=b"a", replaced_by="b"),
        row(key_id="b", secret_hash=b"b", replaced_by="a"),
    ]
    assert set(first_of_line(rows)) == {"a", "b"}
