"""A running Docker Engine, and how to talk to it: with the SDK's client or the docker command."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from helpers import process
from helpers.errors import CourseError

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

PLUGINS = ("buildx", "compose")


@dataclass(frozen=True)
class Engine:
    """An engine in use: `user` for the user's engine, `private` for the one the course runs."""

    host: str
    kind: Literal["user", "private"]
    version: str
    docker: str = "docker"
    extra_env: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_course_client(self) -> bool:
        """Whether the docker command is the one that the course unpacked into its cache folder."""
        return "DOCKER_CONFIG" in self.extra_env

    @property
    def major(self) -> int:
        """The engine's major version, or 0 if it is unknown."""
        number = self.version.partition(".")[0]
        return int(number) if number.isdigit() else 0

    @property
    def env(self) -> dict[str, str]:
        """The environment for a child process that talks to this engine."""
        return {
            **os.environ,
            **self.extra_env,
            "DOCKER_HOST": self.host,
            "BUILDX_BUILDER": "default",
            # Without attestations, a cached rebuild keeps the image's id (moby#48391).
            "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
        }

    @cached_property
    def client(self) -> DockerClient:
        """The SDK's client for this engine."""
        import docker

        return docker.DockerClient(base_url=self.host, timeout=60)

    def command(self, *args: str) -> list[str]:
        """Return the command line of `docker ARGS`.

        The course's own client starts a plugin directly: docker would start it twice, the first time
        to ask what it is, which takes 70 ms.
        """
        config = self.extra_env.get("DOCKER_CONFIG")
        if config and args[0] in PLUGINS:
            return [f"{config}/cli-plugins/docker-{args[0]}", *args[1:]]
        return [self.docker, *args]

    def run(self, *args: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run `docker ARGS` to its end; return its output as text, whatever its exit code."""
        return process.run(self.command(*args), env=self.env, timeout=timeout)

    def exec(self, container: Container, *command: str) -> str:
        """Run a command in a container and return its output. Raises CourseError if it fails.

        The SDK's exec_run() loses the output now and then on a busy machine (docker-py#3332).
        """
        completed = self.run("exec", container.id, *command)
        if completed.returncode:
            raise CourseError(
                f"{command[0]} failed in container {container.name}: "
                f"{process.error_line(completed)}",
                "Run this again.",
            )
        return completed.stdout
