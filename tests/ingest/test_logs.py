"""Logs: a JSON line an event, with the facts of a failed call and nothing that anybody wrote."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import aiohttp
import pytest

from ingest.logs import LogSettingsError, set_up_logs
from tests.ingest.proxy_calls import body_of, post
from tests.ingest.running_proxy import Proxy


@pytest.fixture(autouse=True)
def root_logger_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_event_is_one_json_line_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs({})
    logging.getLogger("lqo.test").warning("두 줄\nof it 🙂", extra={"call_id": "c1"})

    (event,) = lines(capsys.readouterr().err)

    assert (event["message"], event["level"], event["logger"]) == ("두 줄\nof it 🙂", "WARNING", "lqo.test")
    assert event["call_id"] == "c1"
    assert "timestamp" in event


def test_a_line_written_in_the_background_is_the_same_line() -> None:
    program = (
        "import logging, os; from ingest.logs import set_up_logs; set_up_logs({}, in_background=True);"
        "logging.getLogger('lqo.test').warning('two %s', 'words', extra={'n': 1})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    (event,) = lines(done.stderr)

    assert (event["message"], event["level"], event["logger"], event["n"]) == (
        "two words",
        "WARNING",
        "lqo.test",
        1,
    )


@pytest.mark.parametrize(
    "environ", [{"LQO_LOG_LEVEL": "loud"}, {"LQO_LOG_FORMAT": "xml"}], ids=["level", "format"]
)
def test_an_unknown_level_or_format_is_one_line(environ: dict[str, str]) -> None:
    with pytest.raises(LogSettingsError, match=r"^LQO_LOG_.* must be [^\n]*$"):
        set_up_logs(environ)


async def test_a_failed_call_is_logged_with_its_id_and_without_its_text(
    capsys: pytest.CaptureFixture[str], proxy: Proxy, http: aiohttp.ClientSession
) -> None:
    set_up_logs({"LQO_LOG_LEVEL": "INFO"})
    await post(http, proxy.url, body_of("ok", user="secret 안녕"))
    await post(http, proxy.url, body_of("status-503", user="secret 안녕"))

    text = capsys.readouterr().err
    (event,) = lines(text)

    assert event["message"] == "a call failed"
    assert event["call_id"] == str(list(proxy.calls())[-1])
    assert (event["endpoint"], event["status"]) == ("/v1/chat/completions", 503)
    assert "secret" not in text
    assert "as you asked" not in text
