"""A `docker compose` line that could do harm is refused, and nothing of it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.errors import Mistake
from helpers.exercises.compose_command import read_compose_command


@pytest.mark.parametrize(
    "line",
    [
        "docker -H tcp://example.org compose up -d --build web",
        "docker --context other compose up -d web",
        "docker compose -f /etc/compose.yaml up -d",
        "docker compose --project-directory .. up -d",
        "docker compose --env-file ~/.env up -d",
        "docker compose up -d --scale web=50 web",
        "docker compose build --push web",
        "docker compose build --ssh default web",
        "docker compose build --builder other web",
        "docker compose down --rmi all",
        "docker compose up -d $(id) web",
        "docker compose up -d web > /etc/x",
    ],
)
def test_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(Mistake) as error:
        read_compose_command(line, "visits", tmp_path)
    assert error.value.name == "refused"


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("docker compose up -d --build web", ["up", "--detach=true", "--build=true", "web"]),
        ("docker compose -f ./compose.yaml -p visits up web -t 3", ["up", "--timeout=3", "web"]),
        ("docker compose build --pull --no-cache web", ["build", "--no-cache=true", "web"]),
    ],
)
def test_runs_with_long_options(tmp_path: Path, line: str, arguments: list[str]) -> None:
    command = read_compose_command(line, "visits", tmp_path)
    assert (command.verb, list(command.arguments)) == (arguments[0], arguments)
