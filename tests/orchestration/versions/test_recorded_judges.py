"""PandaLM's two recorded judges as two versions: their change is an evaluator change, not a regression."""

import json
import lzma
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.rows import TupleRow

from evaluators.statistics.wilson import wilson
from evaluators.versions.change import Reading, attribute
from ingest.importers.lines import split_lines
from orchestration.versions.bridging import BridgeReport, bridge_versions
from orchestration.versions.recorded import land_recorded
from orchestration.versions.recorded_rows import read_rows
from orchestration.versions.registry import Version, register_version
from tests.orchestration.seeding import DAY_START, add_calls, count, rows

Connection = psycopg.Connection[TupleRow]
Row = dict[str, Any]

# Twenty days of 50 pairs.
SPACING = timedelta(days=1) / 50
LAST = DAY_START + 20 * timedelta(days=1)
# What each judge says, as the score of the first answer; anything else cannot be parsed.
PREFERENCE = {"1": 1.0, "2": 0.0, "Tie": 0.5, "0": 0.5}


@pytest.fixture(scope="module")
def pairs(shared_data: Path) -> list[Row]:
    file = shared_data / "pandalm_testset.jsonl.xz"
    if not file.exists():
        pytest.skip("PandaLM's test set is not here")
    with lzma.open(file) as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture
def landed(connection: Connection, pairs: list[Row]) -> Connection:
    """A call a pair, by its foreign id; its model are the two answers', its prompt is the cluster."""
    with connection.transaction():
        add_calls(connection, len(pairs), spacing=SPACING)
        connection.execute(
            "insert into raw.external_ids (source, external_id, call_id, started_at, content_hash)"
            " select 'import', 'pandalm-' || row_number() over (order by started_at) - 1, call_id,"
            " started_at, ''"
            " from raw.llm_calls"
        )
        connection.execute(
            "update raw.llm_calls set requested_model = names.model, input_preview = names.prompt"
            " from raw.external_ids as ids inner join unnest(%s::text[], %s::text[], %s::text[])"
            " as names (id, model, prompt) on names.id = ids.external_id"
            " where ids.call_id = llm_calls.call_id",
            (
                [f"pandalm-{n}" for n in range(len(pairs))],
                [row["cmp_key"] for row in pairs],
                [f"{row['instruction']}\n{row['input']}" for row in pairs],
            ),
        )
    return connection


def lines(pairs: list[Row], judge: str, *, is_decisive: bool = False) -> Iterator[bytes]:
    """The judge's verdicts as JSONL: who is better, or whether anybody is."""
    for number, row in enumerate(pairs):
        said = str(row[f"{judge}_verdict"])
        score: Row = {
            "external_id": f"pandalm-{number}",
            "label": said,
            "explanation": row[f"{judge}_reason"] or None,
        }
        if said not in PREFERENCE:
            score |= {"label": None, "unscored_reason": "parse_error"}
        elif is_decisive:
            score |= {"label": None, "value": float(PREFERENCE[said] != 0.5)}
        else:
            score |= {
                "label": {1.0: "first", 0.0: "second", 0.5: "tie"}[PREFERENCE[said]],
                "value": PREFERENCE[said],
            }
        yield json.dumps(score).encode() + b"\n"


def import_judge(
    connection: Connection, pairs: list[Row], judge: str, *, evaluator: str, is_decisive: bool = False
) -> Version:
    version = register_version(connection, evaluator=evaluator, version=judge, kind="external")
    found = read_rows(split_lines(lines(pairs, judge, is_decisive=is_decisive)), form="jsonl")
    done = land_recorded(connection, version, found)
    assert (done.n_landed + done.n_already_there, done.n_rejected) == (len(pairs), 0)
    return version


def bridge(connection: Connection, pairs: list[Row], *, is_decisive: bool = False) -> BridgeReport:
    name = "decisive" if is_decisive else "preference"
    before, after = (
        import_judge(connection, pairs, judge, evaluator=name, is_decisive=is_decisive)
        for judge in ("gpt35", "pandalm")
    )
    return bridge_versions(
        connection, before=before, after=after, first_day=DAY_START.date(), last_day=LAST.date()
    )


def test_two_recorded_judges_are_bridged_as_the_rows_say(landed: Connection, pairs: list[Row]) -> None:
    report = bridge(landed, pairs)

    both = [
        (PREFERENCE.get(str(row["gpt35_verdict"])), PREFERENCE[str(row["pandalm_verdict"])]) for row in pairs
    ]
    known = np.array([pair for pair in both if pair[0] is not None], dtype=float)
    agreed = (known[:, 0] == known[:, 1]).mean()
    chance = sum(
        (known[:, 0] == value).mean() * (known[:, 1] == value).mean() for value in set(PREFERENCE.values())
    )
    # 25 verdicts of GPT-3.5 cannot be parsed: they are unscored, not a low score, and shared by nobody.
    assert (report.n_shared, report.n_only_from, report.n_only_to) == (974, 0, 25)
    assert report.bridge.agreement.value == pytest.approx(agreed) == pytest.approx(0.70226, abs=1e-5)
    assert report.bridge.kappa.value == pytest.approx((agreed - chance) / (1 - chance))
    assert report.bridge.shift.value == pytest.approx((known[:, 1] - known[:, 0]).mean())
    assert report.bridge.n_flips == round((1 - agreed) * 974)
    # 170 instructions, each asked of several pairs of models: as independent calls it would be 0.058.
    assert report.bridge.shift.width == pytest.approx(0.073, abs=5e-4)
    assert {stratum.name for stratum in report.bridge.strata} == {row["cmp_key"] for row in pairs}


def test_importing_both_again_changes_nothing(landed: Connection, pairs: list[Row]) -> None:
    bridge(landed, pairs)
    before = rows(landed, "select * from evaluation.judgements order by started_at, evaluator_version_id")
    bridge(landed, pairs)
    assert (
        rows(landed, "select * from evaluation.judgements order by started_at, evaluator_version_id")
        == before
    )
    assert count(landed, "evaluation.bridges") == 1


def test_a_change_of_judge_is_the_evaluators_and_a_loss_after_it_the_products(
    landed: Connection, pairs: list[Row]
) -> None:
    """GPT-3.5 judges ten days, PandaLM-7B the next ten: it sees far more ties, and no answer has changed."""
    report = bridge(landed, pairs, is_decisive=True)
    middle = DAY_START + 10 * timedelta(days=1)
    shares = (
        "select versions.version, count(value)::int, sum(value)::int from evaluation.judgements"
        " inner join evaluation.evaluator_versions as versions on versions.id = evaluator_version_id"
        f" where (versions.version = 'gpt35') = (started_at < '{middle.isoformat()}') group by 1 order by 1"
    )
    readings = [Reading(name, wilson(passed, n)) for name, n, passed in rows(landed, shares)]  # type: ignore[arg-type]

    change = attribute(*readings, bridge=report.bridge.shift)
    naive = attribute(readings[0], Reading("gpt35", readings[1].mean))

    # Read as one line it would be a regression of the product; it is none.
    assert naive.is_regression() and naive.total.value < -0.04
    assert change.cause == "evaluator"
    assert not change.is_regression()

    # A tenth of the later answers become undecided: that is the product.
    n, passed = readings[1].mean.n, round(readings[1].mean.value * readings[1].mean.n * 0.9)
    worse = attribute(readings[0], Reading("pandalm", wilson(passed, n)), bridge=report.bridge.shift)
    assert worse.is_regression()


def test_the_second_judge_waits_for_its_promotion(landed: Connection, pairs: list[Row]) -> None:
    bridge(landed, pairs)
    found = rows(landed, "select version, status from evaluation.evaluator_versions order by id")
    assert found == [("gpt35", "active"), ("pandalm", "shadow")]
    assert rows(landed, "select evaluator_version from evaluation.version_periods") == [("gpt35",)]
