"""The arms of the throughput benchmark, rivals included, and how each is started.

Rivals are installed by whoever runs this, never in the project's environment:

    python3 -m venv R/litellm && R/litellm/bin/pip install 'litellm[proxy]==1.106.0'   # never 1.82.7, 1.82.8
                                                                                       # or 1.107.0: stealers
    python3 -m venv R/ferro && R/ferro/bin/pip install ferrogw==1.5.10
    mkdir R/portkey && cd R/portkey && npm install @portkey-ai/gateway@1.15.2
    apt-get install nginx-light
    python -m tests.benchmarks.proxy.throughput --rivals R

One that is not there is left out, and the report says so. Each gets one worker on the proxy's core and an
environment without secrets. LiteLLM runs without a database and Portkey has none, so that neither keeps
a record of its calls; ferrogw writes its requests to SQLite.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.proxy.exchange import CHAT, MODEL
from tests.benchmarks.proxy.processes import free_port, lqo, module


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to the mock. `url` None: it says its own. `headers` and `path` are what its clients send."""

    name: str
    command: list[str]
    url: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: tuple[str, ...] = ()
    path: str = CHAT


class MissingError(RuntimeError):
    """Why an arm is left out."""


Make = Callable[[str, Path, Path | None], Arm]
"""The mock's URL, a folder of its own, the folder of the installed rivals."""


def bare(mock: str, home: Path, rivals: Path | None) -> Arm:
    return Arm("bare", module("bare", mock))


def bare_plain(mock: str, home: Path, rivals: Path | None) -> Arm:
    return Arm("bare, plain uvicorn", module("bare", mock, "--plain"))


def ours(mock: str, home: Path, rivals: Path | None) -> Arm:
    return _ours("lqo, process", mock, home, durability="process")


def ours_strict(mock: str, home: Path, rivals: Path | None) -> Arm:
    return _ours("lqo, strict", mock, home, durability="strict")


def _ours(name: str, mock: str, home: Path, *, durability: str) -> Arm:
    env = {"LQO_HOME": str(home / "home"), "LQO_DURABILITY": durability}
    return Arm(name, lqo("proxy", "--port", 0, "--upstream", mock), env=env, headers=_KEY)


def nginx(mock: str, home: Path, rivals: Path | None) -> Arm:
    program = _found(shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin"), "nginx")
    port = free_port()
    config = home / "nginx.conf"
    config.write_text(_NGINX.format(home=home, port=port, mock=mock.removeprefix("http://")))
    return Arm("nginx", [program, "-c", str(config), "-p", str(home)], url=f"http://127.0.0.1:{port}")


def litellm(mock: str, home: Path, rivals: Path | None) -> Arm:
    program = _program(rivals, "litellm/bin/litellm")
    port = free_port()
    config = home / "litellm.yaml"
    config.write_text(_LITELLM.format(model=MODEL, mock=mock))
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_MASTER_KEY": "sk-bench", "NO_DOCS": "True"}
    command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    return Arm(
        "LiteLLM",
        [*command, "--num_workers", "1", "--telemetry", "False"],
        url=f"http://127.0.0.1:{port}",
        env=env,
        headers=("authorization: Bearer sk-bench",),
    )


def portkey(mock: str, home: Path, rivals: Path | None) -> Arm:
    script = _program(rivals, "portkey/node_modules/@portkey-ai/gateway/build/start-server.js")
    node = _found(shutil.which("node"), "node")
    port = free_port()
    return Arm(
        "Portkey",
        [node, script, f"--port={port}", "--headless"],
        url=f"http://127.0.0.1:{port}",
        headers=("x-portkey-provider: openai", f"x-portkey-custom-host: {mock}/v1", *_KEY),
    )


def ferrogw(mock: str, home: Path, rivals: Path | None) -> Arm:
    program = _program(rivals, "ferro/bin/ferrogw")
    port = free_port()
    config = home / "ferro.yaml"
    config.write_text(_FERRO)
    env = {
        "PORT": str(port),
        "GATEWAY_CONFIG": str(config),
        "OPENAI_API_KEY": "x",
        "OPENAI_BASE_URL": f"{mock}/v1",
        "MASTER_KEY": "fgw_bench",
        "REQUEST_LOG_STORE_BACKEND": "sqlite",
        "REQUEST_LOG_STORE_DSN": str(home / "requests.db"),
        "LOG_LEVEL": "error",
        # Its own default refuses a client after some dozen calls a second.
        "RATE_LIMIT_RPS": "1000000",
        "RATE_LIMIT_BURST": "1000000",
    }
    url = f"http://127.0.0.1:{port}"
    return Arm("ferrogw", [program], url=url, env=env, headers=("authorization: Bearer fgw_bench",))


ARMS: Mapping[str, Make] = {
    "bare": bare,
    "bare-plain": bare_plain,
    "ours": ours,
    "ours-strict": ours_strict,
    "nginx": nginx,
    "litellm": litellm,
    "portkey": portkey,
    "ferrogw": ferrogw,
}


def _program(rivals: Path | None, path: str) -> str:
    if rivals is None:
        raise MissingError("no --rivals folder was given")
    found = rivals.absolute() / path
    return _found(str(found) if found.exists() else None, str(found))


def _found(program: str | None, name: str) -> str:
    if program is None:
        raise MissingError(f"{name} is not installed")
    return program


_KEY = ("authorization: Bearer sk-bench-0123456789abcdef0123456789abcdef",)
_NGINX = """
daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {home}/body; proxy_temp_path {home}/temp;
  fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  keepalive_requests 1000000;
  upstream mock {{ server {mock}; keepalive 64; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location / {{
      proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""
_LITELLM = """
model_list:
  - model_name: {model}
    litellm_params: {{model: openai/{model}, api_base: "{mock}/v1", api_key: dummy}}
"""
_FERRO = """
strategy: {mode: single}
targets: [{virtual_key: openai}]
plugins:
  - name: request-logger
    type: logging
    stage: before_request
    enabled: true
    config: {level: error, persist: true}
"""
