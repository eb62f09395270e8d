"""Two weeks of seeded traffic with a daily rhythm and one known regression, as call records."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from orchestration.demo.models import MODELS, Model, Reply, reply
from orchestration.demo.tasks import TASKS, Language, Prompt, Task, request_body

DAYS = 15
CALLS_A_DAY = 800
SEED = "lqo-demo-1"
REGRESSION_AGE = timedelta(days=4)
REGRESSION_LENGTH = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the demo replays; `anchor`, the day of the first demo, fixes the regression for later runs."""

    anchor: date
    until: datetime
    calls_a_day: int = CALLS_A_DAY

    @property
    def first_day(self) -> date:
        return self.anchor - timedelta(days=DAYS - 1)

    @property
    def regression(self) -> tuple[datetime, datetime]:
        """The half-open UTC time in which one model is worse."""
        start = _midnight(self.anchor - REGRESSION_AGE)
        return start, start + REGRESSION_LENGTH


def load_plan(home: Path, *, now: datetime) -> Plan:
    """The plan of this `LQO_HOME`: the first run writes its day to `demo.json`, later runs keep it."""
    path = home / "demo.json"
    if path.exists():
        anchor = date.fromisoformat(json.loads(path.read_text())["anchor"])
    else:
        anchor = now.date()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"anchor": anchor.isoformat()}) + "\n")
    return Plan(anchor=anchor, until=now)


def write_traffic(plan: Plan, path: Path, *, first: date | None = None) -> int:
    """Write the plan's calls from day `first` up to `plan.until` as call records; returns how many."""
    n_calls = 0
    with path.open("w", encoding="utf-8") as lines:
        day = first or plan.first_day
        while _midnight(day) < plan.until:
            for record in day_records(day, plan=plan):
                lines.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
                n_calls += 1
            day += timedelta(days=1)
    return n_calls


def day_records(day: date, *, plan: Plan) -> Iterator[dict[str, Any]]:
    """The calls of one UTC day: the same for the same day and anchor, whenever they are asked for."""
    rng = Random(f"{SEED}:{day.isoformat()}")
    start, end = plan.regression
    for number, at in enumerate(_arrivals(day, n_calls=plan.calls_a_day, rng=rng)):
        task, prompt = _ask(rng)
        model = rng.choices(MODELS, [model.share for model in MODELS])[0]
        said = reply(model, prompt, rng=rng, regressed=start <= at < end)
        user = f"user-{int(40 * rng.random() ** 2):02d}"
        finished = at + timedelta(milliseconds=said.latency_ms)
        if finished < plan.until:
            external_id = f"demo-{day.isoformat()}-{number:05d}"
            yield _record(external_id, at, task=task, prompt=prompt, model=model, said=said, user=user)


def chat_completion(model: str, said: Reply, *, created: int) -> dict[str, Any]:
    """A Chat Completions response body, or the error object of a failed call."""
    if said.http_status != 200:
        return {
            "error": {
                "message": f"simulated {said.error_type}",
                "type": said.error_type,
                "code": said.error_type,
            }
        }
    return {
        "id": f"chatcmpl-{created}",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": said.text},
                "finish_reason": said.finish_reason,
            }
        ],
        "usage": usage(said),
    }


def usage(said: Reply) -> dict[str, Any]:
    """The usage object in OpenAI's form: `cached_tokens` is part of `prompt_tokens`."""
    return {
        "prompt_tokens": said.prompt_tokens,
        "completion_tokens": said.completion_tokens,
        "total_tokens": said.prompt_tokens + said.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": said.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _record(
    external_id: str, at: datetime, *, task: Task, prompt: Prompt, model: Model, said: Reply, user: str
) -> dict[str, Any]:
    failed = said.http_status != 200
    return {
        "external_id": external_id,
        "started_at": at.isoformat(),
        "ended_at": (at + timedelta(milliseconds=said.latency_ms)).isoformat(),
        "endpoint": "/v1/chat/completions",
        "provider": "openai",
        "requested_model": model.name,
        "served_model": None if failed else model.name,
        "project": "shop",
        "environment": "demo",
        "user_id": user,
        "prompt_name": task.name,
        "prompt_version": "1",
        "tags": {"language": prompt.language},
        "status": "error" if failed else "ok",
        "http_status": said.http_status,
        "error_type": said.error_type,
        "error_message": f"simulated {said.error_type}" if failed else None,
        "finish_reason": said.finish_reason,
        "ttft_ms": round(said.ttft_ms, 3),
        "latency_ms": round(said.latency_ms, 3),
        "usage": None if failed else usage(said),
        "purpose": "demo",
        "request": request_body(task, prompt, model=model.name),
        "response": chat_completion(model.name, said, created=int(at.timestamp())),
        "input_text": prompt.user,
        "output_text": None if failed else said.text,
    }


def _ask(rng: Random) -> tuple[Task, Prompt]:
    task = rng.choice(TASKS)
    language: Language = "ko" if rng.random() < 0.35 else "en"
    return task, task.ask(rng, language)


def _arrivals(day: date, *, n_calls: int, rng: Random) -> list[datetime]:
    """Arrival times over a UTC day: quiet at night, busiest about 14:00."""
    hours = [1.0 + 0.85 * math.sin(math.pi * (hour - 8) / 12) for hour in range(24)]
    starts = rng.choices(range(24), hours, k=n_calls)
    seconds = sorted(3600 * hour + 3600 * rng.random() for hour in starts)
    return [_midnight(day) + timedelta(milliseconds=int(1000 * second)) for second in seconds]


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
