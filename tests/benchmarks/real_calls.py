"""Real answers on a real hour of traffic: writes MT-Bench answers as call records, one per Azure trace row.

    python tests/benchmarks/real_calls.py OUT.jsonl [--rows N] [--data DIR]

Each row of the trace gives the arrival time and the token counts, the answers take turns in a fixed order.
Then: `lqo import OUT.jsonl`, `lqo backfill rule_scores charges marts --from 2023-11-16 --to 2023-11-16`.
"""

import argparse
import csv
import json
import lzma
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
TRACES = ("azure_llm_2023_conv.csv", "azure_llm_2023_code.csv")
Turn = tuple[str, str, list[dict[str, str]], str]


def call_records(data: Path, *, n_rows: int | None = None) -> Iterator[dict[str, Any]]:
    """Call records in the order of the traces, at most `n_rows`."""
    turns = list(_turns(data))
    for number, (at, context, generated) in enumerate(_arrivals(data)):
        if number == n_rows:
            return
        category, model, messages, answer = turns[number % len(turns)]
        yield {
            "external_id": f"mtbench-azure-{number:06d}",
            "started_at": at.isoformat(),
            "endpoint": "/v1/chat/completions",
            "provider": _provider(model),
            "requested_model": model,
            "project": "mtbench",
            "prompt_name": category,
            "status": "ok",
            "usage": {
                "prompt_tokens": context,
                "completion_tokens": generated,
                "total_tokens": context + generated,
            },
            "request": {"model": model, "messages": messages},
            "input_text": messages[-1]["content"],
            "output_text": answer,
        }


def _provider(model: str) -> str:
    """Who served the models that had a public price; the open ones ran on the benchmark's own machines."""
    if model.startswith("gpt-"):
        return "openai"
    return "anthropic" if model.startswith("claude-") else "mtbench"


def _turns(data: Path) -> Iterator[Turn]:
    with lzma.open(data / "mtbench_answers.jsonl.xz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            messages: list[dict[str, str]] = []
            for prompt, response in zip(row["prompts"], row["responses"], strict=True):
                messages = [*messages, {"role": "user", "content": prompt}]
                yield row["category"], row["model"], messages, response
                messages = [*messages, {"role": "assistant", "content": response}]


def _arrivals(data: Path) -> Iterator[tuple[datetime, int, int]]:
    for name in TRACES:
        with (data / name).open(newline="") as file:
            for row in csv.DictReader(file):
                # Seven decimals: Python reads six.
                at = datetime.fromisoformat(row["TIMESTAMP"][:26]).replace(tzinfo=UTC)
                yield at, int(row["ContextTokens"]), int(row["GeneratedTokens"])


def main() -> None:
    """Write the file and say how many records it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=None)
    parser.add_argument("--data", type=Path, default=DATA)
    asked = parser.parse_args()
    n_records = 0
    with asked.out.open("w", encoding="utf-8") as out:
        for record in call_records(asked.data, n_rows=asked.rows):
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
            n_records += 1
    print(f"{n_records:,} call records in {asked.out}")


if __name__ == "__main__":
    main()
