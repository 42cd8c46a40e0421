"""One container of a try: how its `docker run` went, and what can be observed of it."""

from __future__ import annotations

import re
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from docker.errors import APIError, NotFound, NullResource

from helpers.engine.engine import Engine
from helpers.errors import CourseError, Mistake
from helpers.exercises.lazy import lazy
from helpers.process import stop_group, wait_until

NOT_STARTED = 125  # the exit code of docker run if the engine could not start the container
PORT_TAKEN = re.compile(r"address already in use|port is already allocated")
MACHINE_TROUBLE = re.compile(
    rf"no space left|disk quota|Cannot connect to the Docker daemon|{PORT_TAKEN.pattern}"
)
PORT_TRIES = 5
LISTEN = "0A"  # the state of a listening socket in /proc/net/tcp, proc(5)
# 127.0.0.11: Docker's own name server, on networks other than the default one.
DOCKER_DNS = "0B00007F"
LOOPBACK = ("0100007F", "00000000000000000000000001000000")


@dataclass(frozen=True)
class Container:
    """A container of the sandbox, running or not."""

    engine: Engine
    id: str

    def inspect(self) -> dict[str, Any]:
        """Return what the engine knows about it."""
        return self.engine.client.api.inspect_container(self.id)

    @property
    def status(self) -> str:
        """Return its status, such as "created" or "running", or "removed"."""
        with suppress(NotFound):
            return str(self.inspect()["State"]["Status"])
        return "removed"

    @property
    def is_running(self) -> bool:
        """Return whether it is running."""
        return bool(self.inspect()["State"]["Running"])

    @property
    def exists(self) -> bool:
        """Return whether the engine still has it."""
        return self.status != "removed"

    @property
    def mounts(self) -> list[dict[str, Any]]:
        """Return what is mounted in it; the engine lists those of --tmpfs apart."""
        details = self.inspect()
        in_memory = details["HostConfig"].get("Tmpfs") or {}
        own = [{"Type": "tmpfs", "Destination": path, "Source": ""} for path in in_memory]
        return own + [each for each in details["Mounts"] if each["Destination"] not in in_memory]

    def host_port(self, port: int) -> int | None:
        """Return the port of 127.0.0.1 that a TCP port of it is published on."""
        published = self.inspect()["NetworkSettings"]["Ports"].get(f"{port}/tcp")
        return int(published[0]["HostPort"]) if published else None

    def log(self, lines: int = 3) -> list[str]:
        """Return the last lines that it printed, without colours; none if Docker keeps no log."""
        text = ""
        with suppress(APIError):
            text = self.engine.client.api.logs(self.id, tail=40).decode(errors="replace")
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
        return [line.strip()[:160] for line in plain.splitlines() if line.strip()][-lines:]

    def listening(self) -> dict[int, bool]:
        """Return the TCP ports that its programs listen on, and whether only on loopback."""
        completed = self.engine.run(
            "exec", self.id, "cat", "/proc/net/tcp", "/proc/net/tcp6", timeout=30
        )
        ports: dict[int, bool] = {}
        for fields in map(str.split, completed.stdout.splitlines()):
            if len(fields) > 3 and fields[3] == LISTEN:
                address, _, port = fields[1].partition(":")
                if address == DOCKER_DNS:
                    continue
                only_loopback = address in LOOPBACK and ports.get(int(port, 16), True)
                ports[int(port, 16)] = only_loopback
        return ports

    def find_program(self, name: str) -> str:
        """Return the path of a program in its file system, running or not; "" if it has none."""
        with suppress(APIError, NullResource), tempfile.TemporaryFile() as exported:
            exported.writelines(self.engine.client.api.export(self.id))
            exported.seek(0)
            with tarfile.open(fileobj=exported) as archive:
                for member in archive:
                    path = PurePosixPath("/", member.name)
                    if path.name == name and path.parent.name in ("bin", "sbin"):
                        return str(path)
        return ""

    def remove(self) -> None:
        """Remove it as `docker rm --force` does, with its anonymous volumes."""
        with suppress(APIError):
            self.engine.client.api.remove_container(self.id, v=True, force=True)


class Launch:
    """A `docker run` that has been started: its output, and its container once there is one."""

    def __init__(
        self,
        engine: Engine,
        cidfile: Path,
        arguments: Sequence[str],
        as_typed: Callable[[str], str],
    ) -> None:
        self._engine, self._cidfile, self._as_typed = engine, cidfile, as_typed
        self._command = [engine.docker, "run", f"--cidfile={cidfile}", *arguments]
        self._start()

    def _start(self) -> None:
        self._child = subprocess.Popen(
            self._command,
            env={**self._engine.env, "DOCKER_CLI_HINTS": "false"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    @lazy
    def container(self) -> Container:
        """Return the container. Raises Mistake, with Docker's words, if there is none to run."""
        id = self._id()
        returned = self._child.poll()
        if not id or returned in (NOT_STARTED, 126, 127):
            raise explain_start(self._said, Container(self._engine, id).find_program)
        return Container(self._engine, id)

    def wait(self, seconds: float) -> bool:
        """Return whether the command returned within `seconds` after its container started.

        It is started again if another program took the free port that Docker had chosen.
        """
        for _ in range(PORT_TRIES):
            wait_until(lambda: self._is_started or self._child.poll() is not None, 30)
            if self._child.poll() != NOT_STARTED or not PORT_TAKEN.search(self._said):
                break
            if id := self._id():
                Container(self._engine, id).remove()
            self._cidfile.unlink(missing_ok=True)
            del self.__dict__["_said"]
            self._start()
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def _is_started(self) -> bool:
        id = self._id()
        return bool(id) and Container(self._engine, id).status != "created"

    def stop(self) -> None:
        """Stop the command if it is still running."""
        if self._child.poll() is None:
            stop_group(self._child, ((15, 0.5), (9, 5.0)))

    def _id(self) -> str:
        with suppress(OSError):
            return self._cidfile.read_text().strip()
        return ""

    @lazy
    def _said(self) -> str:
        """Return what docker printed, shortened to the part that says what is wrong."""
        error = self._child.stderr.read() if self._child.stderr else ""
        lines = [line for line in error.splitlines() if line and "--help" not in line]
        text = re.sub(r"^docker: |Error response from daemon: ", "", " ".join(lines))
        text = re.sub(r"failed to create task for container: .*?: (?=exec:)", "", text)
        return self._as_typed(" ".join(text.split()))[:300]


def explain_start(message: str, find_program: Callable[[str], str]) -> CourseError:
    """Return why Docker could not start a container, from what it printed.

    `find_program` looks for a program in the image. This is a Mistake unless the engine or the machine has the problem.
    """
    seen = f"Docker says: {message}"
    if MACHINE_TROUBLE.search(message):
        return CourseError(seen, "Run: python3 -m helpers doctor")
    match = re.search(r'exec: "(.*?)": .*(not found|no such file)', message)
    if match and match[1].startswith("-"):
        return Mistake(
            "option-after-image",
            seen,
            f"Docker took {match[1]} for the program to start in the container. It is the first "
            "word of CMD, or the first one after the image's name. The options of docker run come "
            "before the image's name.",
        )
    if match and "in $PATH" in message and (path := find_program(match[1])):
        return Mistake(
            "not-on-path",
            seen,
            f"The image has {path}, but process 1 found it in no folder of PATH. Is its folder in "
            "PATH, and may the user that USER names open it?",
            "A virtual environment and `pip install --user` put programs into a folder of their "
            "own, which ENV can add to PATH. Only root can open /root.",
        )
    if match:
        return Mistake(
            "no-such-program",
            seen,
            f"Docker tried to start a program called {match[1]!r}, and found none of that name.",
            "A program comes with the base image, or a RUN installs it in the stage that becomes "
            "the image. In the JSON form of CMD, each word has its own quotes.",
        )
    if "bind source path does not exist" in message:
        return Mistake(
            "no-such-folder",
            seen,
            "The folder that this mounts doesn't exist. -v would create it, --mount doesn't.",
        )
    if match := re.search(r'exec: "(.*?)": .*permission denied', message):
        return Mistake(
            "not-executable",
            seen,
            f"Docker can't run {match[1]}: it is a folder, or a file that is not executable.",
            "CMD starts a program, such as python or flask, which reads the app's file.",
        )
    return Mistake("cannot-start", seen, "Docker's message names the part that it can't use.")
