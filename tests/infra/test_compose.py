"""`infra/compose.yaml`: the compose specification's own schema, commands that exist, files that are there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from orchestration.cli import app
from tests.infra.tools import INFRA

FILE = INFRA / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {
    name: service for name, service in SERVICES.items() if service["image"].startswith("llm-quality-observer")
}
DOCKERFILE = (INFRA / "images" / "Dockerfile").read_text("utf-8")


def test_the_file_is_what_the_compose_specification_says() -> None:
    checker = [str(Path(sys.executable).parent / "check-jsonschema")]
    done = subprocess.run(
        [*checker, "--builtin-schema", "vendor.compose-spec", str(FILE)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_whole_stack_is_there() -> None:
    wanted = {
        "postgres", "proxy", "loader", "api", "sender", "dagster-daemon", "dagster-webserver", "prometheus",
        "alertmanager", "grafana",
    }  # fmt: skip
    assert wanted <= SERVICES.keys()


@pytest.mark.parametrize("name", OURS)
def test_a_command_of_ours_exists_with_its_options(name: str) -> None:
    command = OURS[name]["command"]
    lines = command[2].split(" && ") if command[0] == "sh" else [" ".join(command)]
    for line in lines:
        program, *words = line.split()
        assert program == "lqo"
        found = verb(words)
        options = {option for parameter in found.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


def verb(words: list[str]) -> Any:
    """The command that these words name; typer brings a click of its own."""
    found: Any = get_command(app)
    while (commands := getattr(found, "commands", None)) is not None:
        assert words and words[0] in commands, words
        found, words = commands[words[0]], words[1:]
    return found


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_mounts_exists(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        source = volume.split(":")[0]
        if source.startswith("."):
            assert (INFRA / source).exists(), source
        else:
            assert source in COMPOSE["volumes"], source


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_names_is_there(name: str) -> None:
    service = SERVICES[name]
    secrets = [each if isinstance(each, str) else each["source"] for each in service.get("secrets", ())]
    assert set(secrets) <= COMPOSE["secrets"].keys()
    assert set(service.get("depends_on", ())) <= SERVICES.keys()
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:"), "published beyond this machine"


@pytest.mark.parametrize(
    "name", [name for name in SERVICES if name not in {"prepare", "sender", "dagster-daemon"}]
)
def test_a_service_that_listens_is_checked_where_it_listens(name: str) -> None:
    check = " ".join(SERVICES[name]["healthcheck"]["test"])
    if name in OURS:
        asked = re.search(r"127\.0\.0\.1:(\d+)/", check)
        assert asked is not None
        assert asked[1] in OURS[name]["command"]


def test_images_are_pinned() -> None:
    for service in SERVICES.values():
        assert re.search(r":v?\d+\.\d+", service["image"]), service["image"]
    assert re.search(r"^FROM python:3\.11\.\d+-", DOCKERFILE, re.MULTILINE)


def test_no_secret_stands_in_the_file() -> None:
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    given = [pair for service in SERVICES.values() for pair in service.get("environment", {}).items()]
    secret = re.compile(r"password|token|secret|webhook", re.IGNORECASE)
    for variable, value in given:
        if secret.search(variable):
            assert str(value).removeprefix("file:").startswith("/run/secrets/"), variable
    assert "infra/secrets/" in (INFRA.parent / ".gitignore").read_text("utf-8")


def test_the_image_holds_what_it_copies() -> None:
    for line in re.findall(r"^COPY (?:--\S+ )?(.+)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (INFRA.parent / source).exists(), source


def test_prometheus_finds_each_service_by_its_name_and_port() -> None:
    for path in (INFRA / "prometheus" / "targets-compose").glob("*.yml"):
        for target in [each for file in yaml.safe_load(path.read_text("utf-8")) for each in file["targets"]]:
            host, _, port = target.partition(":")
            assert host in SERVICES
            if host in OURS:
                assert port in OURS[host]["command"]


def test_the_scripts_are_shell() -> None:
    for script in (INFRA / "images").glob("*.sh"):
        subprocess.run(["sh", "-n", str(script)], check=True)
        assert script.stat().st_mode & 0o111


def test_the_password_of_a_file_becomes_the_database_url(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("s3cret\n")
    environment = {"LQO_DATABASE_PASSWORD_FILE": str(tmp_path / "password"), "PATH": "/usr/bin:/bin"}
    script = INFRA / "images" / "entrypoint.sh"
    said = subprocess.run(
        [str(script), "sh", "-c", "echo $DATABASE_URL"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout.strip() == "postgresql://lqo:s3cret@postgres:5432/lqo"


def test_what_alertmanager_is_given_there_is_its_configuration(tmp_path: Path) -> None:
    """The container rewrites the shipped file: each place that it rewrites must still be in it."""
    shipped = (INFRA / "alertmanager" / "alertmanager.yml").read_text("utf-8")
    script = SERVICES["alertmanager"]["entrypoint"][2]
    rewrites = re.findall(r"-e 's#([^#]+)#([^#]+)#'", script)
    assert len(rewrites) == 2
    for before, after in rewrites:
        assert shipped.count(before) == 1
        assert after.startswith(("http://api:8081/", "/etc/alertmanager/templates/"))
