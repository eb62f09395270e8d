"""The published figures of MT-Bench and PandaLM, from the rows, to the last vote."""

from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from evaluators.calibration.calibrate import calibrate
from evaluators.calibration.probes import flip_rate, length_preference, score_by_length, self_preference
from evaluators.statistics.agreement import agreement
from evaluators.statistics.estimate import Estimate
from evaluators.statistics.wilson import wilson
from tests.evaluators.calibration import real_verdicts as real
from tests.evaluators.calibration.replay import CODES, replay


def counted(found: Estimate) -> tuple[float, int]:
    return round(100 * found.value, 1), found.n


@pytest.mark.parametrize(
    ("turn", "with_ties", "without"), [(1, (66.0, 1_343), (84.6, 859)), (2, (65.7, 1_325), (84.6, 864))]
)
def test_gpt4_agrees_with_experts_as_published(
    shared_data: Path, turn: int, with_ties: tuple[float, int], without: tuple[float, int]
) -> None:
    # arXiv 2306.05685, tables 5 and 6: 66 % with ties and 85 % without.
    assert counted(real.with_experts(shared_data, turn=turn, with_ties=True).raw) == with_ties
    assert counted(real.with_experts(shared_data, turn=turn, with_ties=False).raw) == without


def test_experts_agree_among_themselves_as_published(shared_data: Path) -> None:
    # The same tables: 63 % with ties and 81 % without, in the first turn.
    assert counted(real.among_experts(shared_data, turn=1, with_ties=True).raw) == (63.0, 721)
    assert counted(real.among_experts(shared_data, turn=1, with_ties=False).raw) == (81.0, 479)
    assert counted(real.among_experts(shared_data, turn=2, with_ties=True).raw)[0] == 66.6
    assert counted(real.among_experts(shared_data, turn=2, with_ties=False).raw)[0] == 81.9


def test_kappa_with_the_majority_of_people_is_505(shared_data: Path) -> None:
    found = calibrate(real.mtbench_calls(shared_data))
    assert round(found.agreement.kappa.value, 3) == 0.505
    assert (found.n, found.n_undecided) == (1_814, 0)
    assert round(found.human.value, 3) == 0.485
    # The interval goes by 80 questions, not by single pairs.
    assert found.n_clusters == 80
    assert (round(found.agreement.kappa.low, 2), round(found.agreement.kappa.high, 2)) == (0.46, 0.54)


def test_one_verdict_in_six_flips_with_the_order(shared_data: Path) -> None:
    assert counted(flip_rate(real.mtbench_pairs(shared_data))) == (15.8, 2_400)


def test_pandalms_annotators_and_judges_agree_as_published(shared_data: Path) -> None:
    pairs = real.panda_pairs(shared_data)
    assert len(pairs) == 999
    assert sum(len(set(pair.annotators)) == 1 for pair in pairs) == 879
    found = [
        agreement([pair.annotators[one] for pair in pairs], [pair.annotators[two] for pair in pairs])
        for one, two in combinations(range(3), 2)
    ]
    assert sorted(round(each.kappa.value, 3) for each in found) == [0.852, 0.862, 0.879]
    assert sorted(round(each.raw.value, 3) for each in found) == [0.913, 0.918, 0.929]


@pytest.mark.parametrize(
    ("judge", "n_unparsed", "of_all", "of_parsed"),
    [("gpt-3.5", 25, (0.698, 0.476), (0.716, 0.493)), ("PandaLM-7B", 0, (0.668, 0.435), (0.668, 0.435))],
)
async def test_pandalms_recorded_judges_replayed_over_http(
    shared_data: Path,
    judge: str,
    n_unparsed: int,
    of_all: tuple[float, float],
    of_parsed: tuple[float, float],
) -> None:
    pairs = real.panda_pairs(shared_data)
    judgements = await replay(pairs, judge=judge)
    assert Counter(each.unscored_reason for each in judgements)["parse_error"] == n_unparsed
    verdicts = [CODES[each.label] for each in judgements]
    found = calibrate(
        real.panda_calls(pairs, verdicts), parse_errors=wilson(verdicts.count(None), len(pairs))
    )
    assert found.n == 999 - n_unparsed
    assert (round(found.agreement.raw.value, 3), round(found.agreement.kappa.value, 3)) == of_parsed
    # The published figures count what cannot be parsed as wrong.
    strict = calibrate(real.panda_calls(pairs, [verdict or "unparsed" for verdict in verdicts]))
    assert (round(strict.agreement.raw.value, 3), round(strict.agreement.kappa.value, 3)) == of_all
    # Its kappa is far from people's 0.86, and of GPT-3.5's answers 2.5 % are no verdicts.
    assert found.standing.state == "degraded"
    assert len(found.standing.reasons) == (2 if n_unparsed else 1)


def test_gpt4_passes_the_gate_where_people_agree_as_little(shared_data: Path) -> None:
    flips = flip_rate(real.mtbench_pairs(shared_data))
    found = calibrate(real.mtbench_calls(shared_data), flips=flips)
    assert found.standing.state == "ok"


def test_bad_judges_of_real_pairs_are_refused(shared_data: Path) -> None:
    """A coin, the first answer always, the longer answer always: negative controls on people's real votes."""
    calls = real.mtbench_calls(shared_data)
    random = np.random.default_rng(1)
    refused = {
        "a coin": [str(said) for said in random.choice(["a", "b", "tie"], len(calls), p=[0.4, 0.4, 0.2])],
        "always the first": ["a"] * len(calls),
        "always a tie": ["tie"] * len(calls),
    }
    for name, verdicts in refused.items():
        judged = [replace(call, verdict=said) for call, said in zip(calls, verdicts, strict=True)]
        found = calibrate(judged)
        assert found.standing.state == "degraded", name
        assert abs(found.agreement.kappa.value) < 0.06, name
    panda = real.panda_pairs(shared_data)
    longest = ["1" if len(pair.first) > len(pair.second) else "2" for pair in panda]
    found = calibrate(real.panda_calls(panda, longest))
    assert found.standing.state == "degraded"


def test_what_sways_gpt4(shared_data: Path) -> None:
    pairs = real.mtbench_pairs(shared_data)
    length = length_preference(pairs)
    assert counted(length.of_judge) == (78.3, 1_239)
    # People prefer the longer answer nearly as often: most of it is no bias.
    assert counted(length.of_people) == (75.1, 778)
    assert not length.excess.excludes(0)
    assert round(score_by_length(pairs).value, 2) == 0.51
    kin = self_preference(pairs, judge_model="gpt-4")
    assert counted(kin.of_judge) == (87.3, 1_000)
    assert counted(kin.of_people) == (84.2, 613)
    assert kin.excess.low > 0
