"""PandaLM's recorded judges asked again over HTTP: a simulated endpoint answers with what they once said."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from evaluators.judging.asking import Judgement
from evaluators.judging.client import open_client
from evaluators.judging.comparing import ask_pair
from evaluators.judging.items import Message
from evaluators.judging.judge import JudgeSpec
from evaluators.judging.pairwise import PairItem, PairJudge
from evaluators.judging.rubrics import shipped_rubrics
from tests.evaluators.calibration.real_verdicts import PandaPair
from tests.judge_endpoint import JudgeEndpoint, Reply, running_judge_endpoint

AT = datetime(2026, 1, 1, tzinfo=UTC)
# The reasons of verdicts that could not be parsed are not on record.
CHOICES: Mapping[str, str] = {"1": "first", "2": "second", "0": "tie"}
CODES: Mapping[str | None, str | None] = {"first": "1", "second": "2", "tie": "0", None: None}
AT_ONCE = 32


async def replay(pairs: Sequence[PandaPair], *, judge: str) -> list[Judgement]:
    """What our own pairwise judge makes of each recorded answer, in the order of the pairs."""
    recorded = {pair.number: pair for pair in pairs}

    def answer(body: dict[str, Any]) -> Reply:
        shown = body["messages"][-1]["content"]
        number = int(shown.split("pair number ", 1)[1].split(".", 1)[0])
        return Reply(content=recorded_text(recorded[number], judge=judge))

    endpoint = JudgeEndpoint(answer=answer, keeps_requests=False)
    spec = JudgeSpec(rubric=shipped_rubrics()["helpfulness"], model=judge)
    at_once = asyncio.Semaphore(AT_ONCE)
    async with (
        running_judge_endpoint(endpoint) as served,
        open_client(base_url=served.url, api_key=None) as client,
    ):

        async def ask(pair: PandaPair) -> Judgement:
            async with at_once:
                return await ask_pair(client, PairJudge(spec), _item(pair))

        return list(await asyncio.gather(*(ask(pair) for pair in pairs)))


def recorded_text(pair: PandaPair, *, judge: str) -> str:
    """The recorded verdict in the protocol; one that could not be parsed is given as it is on record."""
    said = pair.verdicts[judge]
    if said not in CHOICES:
        return said
    return json.dumps({"reason": pair.reasons[judge] or "(no reason on record)", "winner": CHOICES[said]})


def _item(pair: PandaPair) -> PairItem:
    return PairItem(
        call_id=str(pair.number),
        started_at=AT,
        conversation=(Message("system", f"pair number {pair.number}."), Message("user", pair.prompt)),
        first=pair.first,
        second=pair.second,
    )
