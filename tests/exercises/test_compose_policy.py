"""A Compose file that could harm a machine is refused, and nothing of it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.engine.engine import Engine
from helpers.errors import Mistake
from helpers.exercises.compose_policy import resolve

pytestmark = pytest.mark.engine
WEB = "services: {web: {image: a, %s}}\n"


@pytest.mark.parametrize(
    "text",
    [
        WEB % "privileged: true",
        WEB % "cap_add: [SYS_ADMIN]",
        WEB % "pid: host",
        WEB % "ipc: host",
        WEB % "network_mode: host",
        WEB % "userns_mode: host",
        WEB % "devices: [/dev/sda]",
        WEB % "security_opt: ['seccomp:unconfined']",
        WEB % "volumes: ['/var/run/docker.sock:/s']",
        WEB % "volumes: ['../..:/s']",
        WEB % "volumes: ['~:/s']",
        WEB % "volumes: ['.:/a', './x:/b']",
        WEB % "env_file: /etc/passwd",
        WEB % "build: {context: /etc}",
        WEB % "build: {context: ., additional_contexts: {a: /etc}}",
        WEB % "extends: {file: /etc/x.yaml, service: a}",
        "include: [/etc/x.yaml]\n",
        WEB % "secrets: [s]" + "secrets: {s: {file: /etc/passwd}}\n",
        WEB % "volumes: ['data:/s']"
        + "volumes: {data: {driver_opts: {type: none, o: bind, device: /etc}}}\n",
    ],
)
def test_is_refused(engine: Engine, tmp_path: Path, text: str) -> None:
    with pytest.raises(Mistake) as error:
        resolve(text, tmp_path, engine)
    assert error.value.name == "refused"
