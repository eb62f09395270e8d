"""What a running proxy keeps of its budgets, and when it may not start."""

from pathlib import Path

import pytest

from evaluators.pricing.book import PriceBook
from ingest.access.snapshot import LimitRow, Snapshot
from ingest.limits.ledger import Spend
from ingest.limits.metering import LimitsError, Metering, check_shared_limits
from ingest.settings import Settings

LIMITED = Snapshot(limits=(LimitRow(scope="key", subject="*", requests_per_minute=5),))


def metering(home: Path, **given: object) -> Metering:
    spool = home / "spool"
    spool.mkdir(parents=True, exist_ok=True)
    settings = Settings(home=home, **given)  # pyright: ignore[reportArgumentType]
    return Metering(settings, spool=spool, book=lambda provider, model: PriceBook(()), has_budgets=True)


async def test_what_is_spent_outlives_a_proxy_that_ends_well(tmp_path: Path) -> None:
    first = metering(tmp_path)
    await first.start()
    taken = await first.local.take([], [Spend("b@2999-01", "key", "month", 100, 40, 0)])
    first.local.settle(taken, tokens=None, amount=30)  # pyright: ignore[reportArgumentType]
    await first.close()
    assert metering(tmp_path).local.ledger.committed("b@2999-01") == 30


def test_workers_that_would_count_alone_may_not_start(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(LimitsError, match="REDIS_URL"):
        check_shared_limits(2, LIMITED, settings)
    check_shared_limits(1, LIMITED, settings)
    check_shared_limits(8, Snapshot(), settings)
    check_shared_limits(8, LIMITED, Settings(home=tmp_path, redis_url="redis://x"))


@pytest.mark.parametrize("url", ["http://x", "localhost:6379", "redis://x:notaport"])
def test_a_wrong_redis_url_is_one_line_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(LimitsError, match="REDIS_URL") as raised:
        metering(tmp_path, redis_url=url.replace("//", "//:secret-password@"))
    assert "\n" not in str(raised.value)
    assert "secret-password" not in str(raised.value)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "spool" / "budgets.json.new").mkdir(parents=True)
    with pytest.raises(LimitsError, match="budgets cannot be kept"):
        metering(tmp_path)
