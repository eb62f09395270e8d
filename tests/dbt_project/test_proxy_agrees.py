"""One hour of a real proxy: its metrics, its ledger, the charges and the marts tell of the same money."""

import asyncio
import contextlib
import json
import signal
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import aiohttp
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from psycopg.rows import TupleRow

from evaluators.pricing.rows import PriceRow
from evaluators.usage import BUCKETS
from ingest.access.limit_rows import set_budget
from ingest.access.models import add_model
from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.limits.journal import open_ledger
from ingest.limits.ledger import usd
from ingest.loader import run_loader
from ingest.settings import Settings
from ingest.spool.writer import Spool
from orchestration.cost.changed_months import forget, see_changed, watch
from orchestration.cost.charging import charge_window
from orchestration.cost.price_book import import_prices
from orchestration.dirty import clear, snapshot
from orchestration.windows import Window
from tests.conftest import fresh_database
from tests.dbt_project.marts import records
from tests.dbt_project.running_dbt import Dbt
from tests.ingest.killable_proxy import killable_proxy
from tests.ingest.proxy_calls import CHAT, KEY, body_of, post
from tests.ingest.recorded import SMALL
from tests.ingest.replay import REPLAY, Scripted
from tests.ingest.replayed_calls import play_all
from tests.ingest.running_proxy import running_proxy, until
from tests.ingest.upstream import Provider, running_provider

# With the modules that share a warm dbt.
pytestmark = pytest.mark.xdist_group("analysed")

Connection = psycopg.Connection[TupleRow]
Samples = dict[tuple[str, ...], float]
USERS = ("u1", "이영희 🎈")
# Amounts of more than twelve places before they are rounded; dear, so that the tolerance is a millionth.
PRICE = Decimal("123.456789012345")
TOLERANCE = 1e-6
# Targets in the order of trial. What is `billed` fails and says all the same what it used.
ALIASES = {"fast": ("status-503", "ok"), "billed": ("billed-503", "ok"), "lost": ("billed-500", "reset")}
ASKED = ("ok", "hang", "status-429", "billed-400", "stream-endless")
LABELS = ("provider", "model", "kind")
# Of each account. A call that was killed, or told no usage, spent its reserve.
LANDED = """
select
    account,
    sum(spent_usd) as spent,
    sum(amount_usd) as charged,
    coalesce(sum(spent_usd) filter (where amount_usd is null and not is_presumed), 0) as unpriced,
    coalesce(sum(reserved_usd - coalesce(amount_usd, 0)) filter (where is_presumed), 0) as without_end,
    count(*) filter (where is_presumed) as n_presumed
from raw.reservations
cross join unnest(accounts) as account
left join (
    select started_at, call_id, sum(amount_usd) as amount_usd from cost.charges group by 1, 2
) as charged using (started_at, call_id)
group by account
"""
HOURLY = """
select
    account,
    sum(spent_usd) as spent,
    sum(charged_usd) as charged,
    sum(unpriced_usd) as unpriced,
    sum(without_end_usd) as without_end,
    sum(differing_usd) as other
from marts.budget_spending_hourly
group by account
"""


@dataclass(frozen=True, slots=True)
class Hour:
    """What the proxy said when its hour was over, and the warehouse that has all of it."""

    metrics: dict[str, Samples]
    balances: dict[str, Decimal]
    url: DatabaseUrl
    windows: list[list[str]]


@pytest.fixture(scope="module")
def hour(
    maintenance_url: DatabaseUrl,
    owner_url: DatabaseUrl,
    modelled_template: str,
    dbt: Dbt,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Hour]:
    """Every dialect, plain, streamed and cut short, a fallback, a failure and a kill, up to the marts."""
    home = tmp_path_factory.mktemp("agrees")
    for url in fresh_database(maintenance_url, owner_url, template=modelled_template):
        settings = Settings(home=home, database_url=url.libpq(), auth="off")
        metrics, balances = asyncio.run(_run(settings, url))
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        window = Window(now - timedelta(hours=1), now + timedelta(hours=1))
        windows = [[window.start.isoformat(), window.end.isoformat()]]
        with connect(url) as connection:
            marks = snapshot(connection, limit_hours=48)
            charge_window(connection, [window])
            dbt.build(url, windows=windows)
            clear(connection, marks)
        yield Hour(metrics, balances, url, windows)


@pytest.fixture
def reader(hour: Hour) -> Iterator[Connection]:
    with connect(hour.url) as connection:
        yield connection


def test_tokens_and_cost_of_the_metrics_are_those_of_the_marts(hour: Hour, reader: Connection) -> None:
    rows = records(reader, "select * from marts.cost_hourly")
    tokens = defaultdict[tuple[str, ...], float](float)
    cost = defaultdict[tuple[str, ...], float](float)
    for row in rows:
        for kind in BUCKETS:
            tokens[row["provider"], kind] += row[kind] or 0
        cost[(row["provider"],)] += float(row["amount_usd"] or 0)
    said = hour.metrics["llm_gateway_token_usage_total"]
    by_kind = _summed(said, keep=(0, 2))
    assert by_kind == {key: count for key, count in tokens.items() if count}
    assert {kind for _, kind in by_kind} >= {"input_uncached", "cache_read", "output_text", "reasoning"}
    assert _summed(hour.metrics["llm_gateway_cost_usd_total"], keep=(0,)) == pytest.approx(
        cost, abs=TOLERANCE
    )
    assert sum(cost.values()) > 100_000 * TOLERANCE


def test_models_that_callers_name_cost_by_the_metrics_what_they_cost_by_the_marts(
    hour: Hour, reader: Connection
) -> None:
    rows = records(reader, "select model, sum(amount_usd)::float8 as usd from marts.cost_hourly group by 1")
    marts = {row["model"]: row["usd"] for row in rows if row["usd"]}
    metrics = _summed(hour.metrics["llm_gateway_cost_usd_total"], keep=(1,))
    # An alias is a name of ours: metrics have it, the marts what was asked or answered to it. Names that
    # only a failure says are no labels.
    metrics[("ok-2026",)] += sum(metrics.pop((name,)) for name in ("fast", "billed", "lost", "other"))
    billed = [marts.pop(model) for model in ("billed-503", "billed-500", "billed-400-2026")]
    assert all(billed)
    marts["ok-2026"] += sum(billed)
    assert {model: value for (model,), value in metrics.items()} == pytest.approx(marts, abs=TOLERANCE)


def test_what_each_account_spent_is_the_same_by_ledger_reservations_charges_and_marts(
    hour: Hour, reader: Connection
) -> None:
    """To the last digit: charges, and the reserves of calls of whose usage no charge can know."""
    landed = records(reader, LANDED)
    assert {row["account"]: row["spent"] for row in landed} == hour.balances
    assert len(landed) == 2 + len(USERS)
    assert all(row["spent"] == row["charged"] + row["unpriced"] + row["without_end"] for row in landed)
    assert sorted(row["n_presumed"] for row in landed) == [0, 1, 1, 1]
    hourly = records(reader, HOURLY)
    assert {row["account"]: row["spent"] for row in hourly} == hour.balances
    for name in ("charged", "unpriced", "without_end"):
        assert {row["account"]: row[name] for row in hourly} == {row["account"]: row[name] for row in landed}
    assert sorted(row["without_end"] > 0 for row in landed) == [False, True, True, True]
    assert all(row["other"] == 0 for row in hourly)
    whole = records(reader, "select sum(amount_usd) as usd from cost.charges")
    marts = records(reader, "select sum(amount_usd) as usd from marts.cost_hourly")
    assert whole == marts
    failed = records(
        reader, "select sum(amount_usd) as usd from marts.cost_hourly where line = 'failed_attempt'"
    )
    assert failed[0]["usd"] > 0
    (project,) = (row for row in hourly if row["account"].startswith("bud_") and "#" not in row["account"])
    assert project["charged"] == whole[0]["usd"]


def test_budgets_have_limit_spent_charged_and_the_gap_by_cause(hour: Hour, reader: Connection) -> None:
    rows = records(reader, "select * from marts.budgets order by scope, subject")
    assert [(row["scope"], row["subject"], row["period"], row["is_each"]) for row in rows] == [
        ("key", rows[0]["subject"], "day", True),
        ("project", "shop", "month", False),
        ("user", USERS[0], "month", True),
        ("user", USERS[1], "month", True),
    ]
    for row in rows:
        assert row["gap_usd"] == row["spent_usd"] - row["charged_usd"]
        assert row["gap_usd"] == row["unpriced_usd"] + row["without_end_usd"]
        assert (row["reserved_usd"], row["waiting_usd"], row["n_open"]) == (0, 0, 0)
        assert row["share_spent"] == pytest.approx(float(row["spent_usd"] / row["limit_usd"]))
        assert row["as_of"] is not None
    assert sorted(row["spent_usd"] for row in rows) == sorted(hour.balances.values())


def test_what_dbt_writes_of_a_month_is_known_to_the_next_close_of_the_books(hour: Hour, dbt: Dbt) -> None:
    lost = "delete from marts.cost_hourly where line = 'failed_attempt' returning hour"
    with connect(hour.url) as connection:
        watch(connection)
        months = {at.date().replace(day=1) for (at,) in connection.execute(lost).fetchall()}
        forget(connection, see_changed(connection))
    assert months
    for expected in (months, set()):
        outcome = dbt("run", "--select", "cost_hourly", url=hour.url, windows=hour.windows)
        assert outcome.success, outcome.text
        with connect(hour.url) as connection:
            assert see_changed(connection) == expected
            forget(connection, expected)


async def _run(settings: Settings, url: DatabaseUrl) -> tuple[dict[str, Samples], dict[str, Decimal]]:
    async with running_provider() as provider, aiohttp.ClientSession() as http:
        with connect(url, autocommit=True) as connection:
            _prepare(connection, provider.url)
        async with running_proxy(settings.home, provider.url, settings=settings) as proxy:
            await _calls(http, proxy.url, provider)
            await until(lambda: all(call.end for call in proxy.calls().values()))
            async with http.get(f"{proxy.url}/metrics") as response:
                metrics = _counters(await response.text())
        # A second life goes on with the first one's accounts, and is killed with a call under way.
        async with killable_proxy(settings.home, provider.url) as (again, process):
            body = body_of("hang", max_tokens=20)
            hanging = asyncio.ensure_future(post(http, again, body, **_of(USERS[0])))
            await until(lambda: b'"hang"' in provider.bodies[-1])
            process.send_signal(signal.SIGKILL)
            with pytest.raises(aiohttp.ClientError):
                await hanging
    await asyncio.to_thread(run_loader, settings, url, once=True)
    spool = Spool(settings.spool)
    try:
        spent = open_ledger(settings.spool).state().spent
    finally:
        spool.close()
    return metrics, {account: usd(amount) for account, amount in spent.items()}


def _prepare(connection: Connection, provider_url: str) -> None:
    for alias, models in ALIASES.items():
        for model in models:
            add_model(connection, alias, provider="openai", base_url=provider_url, model=model)
    names = {each.request.get("model") or each.path.split("/")[-1].split(":")[0] for each in SMALL}
    names |= {each.document.get("model") or each.document.get("modelVersion") or "ok" for each in SMALL}
    import_prices(
        connection,
        [*_prices({*names, *(each for models in ALIASES.values() for each in models), *ASKED})],
        source="a file",
    )
    set_budget(connection, "key", "*", period="day", limit_usd=Decimal(50_000))
    set_budget(connection, "project", "shop", period="month", limit_usd=Decimal(200_000))
    set_budget(connection, "user", "*", period="month", limit_usd=Decimal(20_000))


def _prices(models: Iterable[str]) -> Iterator[PriceRow]:
    at = datetime(2020, 1, 1, tzinfo=UTC)
    for model in models:
        for place, bucket in enumerate(BUCKETS, start=1):
            yield PriceRow(
                provider=None,
                model=model,
                match="prefix",
                bucket=bucket,
                usd_per_million=PRICE * place,
                valid_from=at,
                recorded_at=at,
                source="test",
            )


async def _calls(http: aiohttp.ClientSession, url: str, provider: Provider) -> None:
    shop = {"x-lqo-project": "shop"}
    async with aiohttp.ClientSession(headers=shop) as of_shop:
        await play_all(of_shop, url, SMALL, styles=("plain", "stream", "array"))
    for model in ("ok", "fast", "billed"):
        for user, is_streamed in zip(USERS, (False, True), strict=True):
            body = body_of(model, max_tokens=20, stream=is_streamed)
            assert (await post(http, url, body, **_of(user)))[0] == 200
    for model, status in (("status-429", 429), ("billed-400", 400), ("lost", 502)):
        assert (await post(http, url, body_of(model, max_tokens=20), **_of(USERS[0])))[0] == status
    await _cut_short(http, url, provider)


async def _cut_short(http: aiohttp.ClientSession, url: str, provider: Provider) -> None:
    """A client that leaves in the middle of a stream, and providers that end theirs early."""
    sent = {"authorization": f"Bearer {KEY}", "x-lqo-user": USERS[1], "x-lqo-project": "shop"}
    endless = body_of("stream-endless", stream=True, max_tokens=20)
    async with http.post(f"{url}{CHAT}", data=endless, headers=sent) as response:
        await response.content.readany()
    await provider.on_stream_closed.wait()
    for exchange in (each for each in SMALL if each.wire != "openai" and each.streams):
        frames = exchange.frames()
        kind = {"content-type": "text/event-stream; charset=utf-8"}
        provider.scripts["cut"] = Scripted(chunks=tuple(frames[: len(frames) // 2]), headers=kind)
        path = exchange.path.replace(":generateContent", ":streamGenerateContent?alt=sse")
        body = json.dumps(exchange.request | ({"stream": True} if exchange.wire == "anthropic" else {}))
        async with http.post(f"{url}{path}", data=body, headers=sent | {REPLAY: "cut"}) as response:
            assert response.status == 200
            with contextlib.suppress(aiohttp.ClientError):
                await response.read()


def _of(user: str) -> dict[str, str]:
    return {"x_lqo_user": user, "x_lqo_project": "shop"}


def _counters(page: str) -> dict[str, Samples]:
    """Samples of both counters by provider, model and kind."""
    found: dict[str, Samples] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            if sample.name in ("llm_gateway_token_usage_total", "llm_gateway_cost_usd_total"):
                labels = tuple(sample.labels[name] for name in LABELS if name in sample.labels)
                found.setdefault(sample.name, {})[labels] = sample.value
    return found


def _summed(samples: Samples, *, keep: tuple[int, ...]) -> Samples:
    summed = defaultdict[tuple[str, ...], float](float)
    for labels, value in samples.items():
        summed[tuple(labels[place] for place in keep)] += value
    return summed
