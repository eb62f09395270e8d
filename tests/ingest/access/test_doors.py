"""Who is let in, and what a wrong key is told."""

import time
from datetime import UTC, datetime

import pytest

from ingest.access.doors import DoorsError, KeyDoors, OpenHouse, check_doors, presented_key
from ingest.access.keys import KeyBook, hash_of
from ingest.access.snapshot import KeyRow
from ingest.access.strikes import Strikes
from ingest.proxy.http import Scope
from ingest.proxy.ports import Caller, Refusal

OURS = "lqo_right"


class Age:
    def __init__(self) -> None:
        self.seconds: float | None = 0.0

    def __call__(self) -> float | None:
        return self.seconds


def scope(address: str = "10.0.0.1", *, query: bytes = b"", **headers: str) -> Scope:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "headers": pairs, "client": (address, 5), "query_string": query}


def doors(age: Age | None = None, *, strikes: Strikes | None = None) -> KeyDoors:
    row = KeyRow(
        key_id="key_1",
        prefix="lqo_",
        secret_hash=hash_of(OURS.encode()),
        owner="o",
        created_at=datetime.now(UTC),
    )
    made = KeyDoors(age_seconds=age or Age(), max_age_seconds=100.0, strikes=strikes)
    made.take_in(KeyBook([row]))
    return made


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {OURS}"},
        {"authorization": f"bearer   {OURS} "},
        {"x_api_key": OURS},
        {"api_key": OURS},
        {"x_goog_api_key": OURS},
        {"authorization": "Bearer sk-of-the-environment", "x_api_key": OURS},
        {"x_api_key": "sk-ant", "authorization": f"Bearer {OURS}"},
    ],
)
def test_a_key_of_ours_is_found_wherever_an_sdk_puts_it(headers: dict[str, str]) -> None:
    caller = doors().identify(scope(**headers), provider=None)
    assert isinstance(caller, Caller)
    assert (caller.key_id, caller.secret, caller.address) == ("key_1", OURS.encode(), "10.0.0.1")


def test_a_key_of_ours_may_come_in_the_query_as_geminis_does() -> None:
    assert isinstance(doors().identify(scope(query=b"alt=sse&key=lqo_right"), provider=None), Caller)


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer sk-x"}, {"x_api_key": ""}, {"cookie": OURS}]
)
def test_anything_else_is_a_401(headers: dict[str, str]) -> None:
    refused = doors().identify(scope(**headers), provider=None)
    assert isinstance(refused, Refusal)
    assert refused.status == 401
    assert OURS not in refused.message
    assert "sk-x" not in refused.message


def test_a_provider_key_beside_nothing_is_taken_as_it_is() -> None:
    assert presented_key([(b"api-key", b"abc"), (b"x-api-key", b"def")]) == b"abc"
    assert presented_key([(b"user-agent", b"lqo_")]) is None


def test_keys_open_nothing_once_nobody_could_have_revoked_them() -> None:
    age = Age()
    tested = doors(age)
    asked = scope(x_api_key=OURS)
    age.seconds = 100.0
    assert isinstance(tested.identify(asked, provider=None), Caller)
    age.seconds = 100.1
    refused = tested.identify(asked, provider=None)
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.kind) == (503, "access_unavailable")
    age.seconds = 0.0
    assert isinstance(tested.identify(asked, provider=None), Caller)


def test_keys_that_were_never_read_open_nothing() -> None:
    age = Age()
    age.seconds = None
    refused = doors(age).identify(scope(x_api_key=OURS), provider=None)
    assert isinstance(refused, Refusal)
    assert refused.status == 503


def test_wrong_keys_are_throttled_and_the_right_one_from_there_is_not() -> None:
    tested = doors(strikes=Strikes(most=5))
    statuses = [_status(tested.identify(scope(x_api_key=f"lqo_{n}"), provider=None)) for n in range(8)]
    assert statuses == [401] * 5 + [429] * 3
    assert isinstance(tested.identify(scope(x_api_key=OURS), provider=None), Caller)
    elsewhere = tested.identify(scope("10.0.0.2", x_api_key="lqo_x"), provider=None)
    assert _status(elsewhere) == 401


def test_an_address_is_forgiven_after_a_minute() -> None:
    now = [0.0]
    strikes = Strikes(most=1, clock=lambda: now[0])
    assert strikes.strike("a") == 0
    assert strikes.strike("a") == 61
    now[0] = 60.0
    assert strikes.strike("a") == 0


def test_one_host_with_a_network_of_its_own_is_one_address() -> None:
    tested = doors(strikes=Strikes(most=1))
    first = tested.identify(scope("2001:db8::1", x_api_key="lqo_a"), provider=None)
    second = tested.identify(scope("2001:db8::2", x_api_key="lqo_b"), provider=None)
    other = tested.identify(scope("2001:db8:0:1::2", x_api_key="lqo_b"), provider=None)
    assert [_status(each) for each in (first, second, other)] == [401, 429, 401]


def test_a_hundred_thousand_wrong_keys_cost_neither_time_nor_memory() -> None:
    strikes = Strikes(addresses=1_000)
    tested = doors(strikes=strikes)
    flood = [scope(f"10.{n % 200}.{n // 200 % 250}.1", x_api_key=f"lqo_{n}") for n in range(100_000)]
    began = time.process_time()
    assert all(isinstance(tested.identify(each, provider=None), Refusal) for each in flood)
    assert time.process_time() - began < 10.0, "a check took more than 100 µs"
    assert len(strikes) == 1_000


def test_without_keys_only_programs_on_this_machine_are_served() -> None:
    house = OpenHouse(pepper=b"p")
    for host in ("localhost:8080", "127.0.0.1", "[::1]:8080", "LOCALHOST"):
        caller = house.identify(scope("127.0.0.1", host=host), provider=None)
        assert isinstance(caller, Caller)
        assert caller.is_trusted
    for headers in (
        {"host": "evil.example"},
        {"host": "localhost:8080", "origin": "https://evil.example"},
        {"host": "localhost.evil.example"},
        {},
    ):
        assert _status(house.identify(scope("127.0.0.1", **headers), provider=None)) == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "proxy.example"])
def test_without_keys_the_proxy_listens_on_no_other_address(host: str) -> None:
    with pytest.raises(DoorsError):
        check_doors("off", host=host)
    check_doors("keys", host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.5.5.5", "::1", "localhost"])
def test_without_keys_the_proxy_listens_on_this_machine(host: str) -> None:
    check_doors("off", host=host)


def _status(answer: Caller | Refusal) -> int:
    return answer.status if isinstance(answer, Refusal) else 200
