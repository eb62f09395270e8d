"""The picture of an alert: for who has its link, until it ends, drawn from the message alone."""

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from psycopg.types.json import Jsonb

from ingest.database.connect import connect
from ingest.database.url import DatabaseUrl
from ingest.settings import Settings
from reports.alerting.chart import HEIGHT, WIDTH, ChartData, chart_png
from reports.alerting.figures import figure
from reports.alerting.links import ChartLinks, chart_links
from reports.api.app import build_app
from reports.api.doors import build_gate

PUBLIC = "https://lqo.example"
LATER = 4_000_000_000
START = datetime(2026, 11, 22, tzinfo=UTC)
LINKS = ChartLinks(b"key")


@pytest.fixture(scope="module")
def event_id(marts: DatabaseUrl) -> UUID:
    """An event whose message has a chart."""
    event_id = uuid4()
    points = [{"at": f"2026-11-22T{hour:02}:00:00Z", "value": hour / 20} for hour in range(12)]
    with connect(marts) as connection:
        connection.execute(
            "insert into alerting.events"
            " (event_id, rule, group_key, transition, severity, message, happened_at)"
            " values (%s, 'charted', 'g', 'firing', 'info', 'm', '2020-01-01')",
            (event_id,),
        )
        payload = {"type": "alert", "points": points, "unit": "share", "threshold": 0.3}
        connection.execute(
            "insert into alerting.outbox (event_id, channel, payload) values (%s, 'slack', %s)",
            (event_id, Jsonb(payload)),
        )
    return event_id


@pytest.fixture(scope="module")
def outside(marts: DatabaseUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Litestar]]:
    """A chat's server, which has no key: the API asks for one elsewhere."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), auth="keys", database_url=marts.libpq())
    app = build_app(
        marts=marts.psycopg(),
        receipts=marts.psycopg(),
        gate=build_gate(settings, host="127.0.0.1"),
        charts=LINKS,
    )
    with TestClient(app, base_url=PUBLIC) as client:
        yield client


def test_a_signed_link_gives_the_picture_without_a_key(outside: TestClient[Litestar], event_id: UUID) -> None:
    answer = outside.get(LINKS.url(PUBLIC, event_id, until=LATER))
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert outside.get("/v1/alerts/history").status_code == 401


def test_a_link_of_others_for_another_event_or_that_ended_gives_nothing(
    outside: TestClient[Litestar], event_id: UUID
) -> None:
    good = LINKS.url(PUBLIC, event_id, until=LATER)
    for bad in (
        ChartLinks(b"other").url(PUBLIC, event_id, until=LATER),
        good.replace(str(event_id), str(uuid4())),
        good.replace(f"until={LATER}", f"until={LATER + 1}"),
        good[:-1],
        LINKS.url(PUBLIC, event_id, until=1),
    ):
        assert outside.get(bad).status_code == 403


def test_an_event_without_a_chart_has_no_picture(outside: TestClient[Litestar]) -> None:
    assert outside.get(LINKS.url(PUBLIC, uuid4(), until=LATER)).status_code == 404


def test_links_of_a_home_stay_good(tmp_path: Path) -> None:
    event_id = uuid4()
    url = chart_links(tmp_path).url(PUBLIC + "/", event_id, until=LATER)
    assert url.startswith(f"{PUBLIC}/v1/alerts/charts/{event_id}?until={LATER}&signature=")
    assert chart_links(tmp_path).url(PUBLIC, event_id, until=LATER) == url
    assert "key" not in repr(ChartLinks(b"secretkey")).replace("ChartLinks", "").replace("key=", "")


def data(*values: float | None, threshold: float | None = None) -> ChartData:
    steps = [(START + timedelta(hours=n), value) for n, value in enumerate(values)]
    return ChartData(steps=steps, figure=lambda value: figure(value, "share"), threshold=threshold)


@pytest.mark.parametrize(
    "values",
    [(0.1, 0.2), (0.0, 0.0), (-5.0, None, 1e9), (0.3, None, 0.3), tuple(n / 1e3 for n in range(2_000))],
)
def test_any_two_values_make_a_picture_of_one_size(values: tuple[float | None, ...]) -> None:
    png = chart_png(data(*values, threshold=0.25))
    assert png is not None and struct.unpack(">II", png[16:24]) == (WIDTH, HEIGHT)
    assert len(png) < 100_000


@pytest.mark.parametrize("values", [(), (None, None), (0.5, None)])
def test_less_than_two_values_make_none(values: tuple[float | None, ...]) -> None:
    assert chart_png(data(*values)) is None


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (0.1234, "share", "12.3%"),
        (4.5, "usd", "$4.50"),
        (0.00042, "usd", "$0.000420"),
        (1234.4, "ms", "1,234 ms"),
        (90.0, "seconds", "90.0 s"),
        (7500.0, "seconds", "2 h 5 min"),
        (3 * 86_400.0, "seconds", "3 d"),
        (1500.0, "calls", "1,500 calls"),
        (2.875, "grade", "2.875"),
        (12_345_678.0, "number", "12,345,678"),
    ],
)
def test_a_value_is_written_with_its_unit(value: float, unit: str, told: str) -> None:
    assert figure(value, unit) == told
