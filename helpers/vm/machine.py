"""A virtual machine from the start of QEMU to its end, and the phases that its console shows.

QEMU runs on this machine if it is installed, otherwise in a container of the course's image. It is
stopped when the `with` block ends, also after an error. If this process is killed first, a QEMU on
this machine is killed with it, and one in a container ends after LIFE_SECONDS.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal

from helpers.engine.labels import labels
from helpers.errors import CourseError, GuestNotReady
from helpers.vm import answers, guests, qemu

if TYPE_CHECKING:
    from docker.models.containers import Container

    from helpers.engine.engine import Engine
    from helpers.vm.guests import Guest

Where = Literal["container", "host"]
PROCESS, FIRMWARE, KERNEL, USER_SPACE, ANSWER = PHASES = (
    "process",
    "firmware",
    "kernel",
    "user space",
    "first answer",
)
# What the console shows when a phase begins. On a PC the kernel phase begins with the firmware's
# last message; an arm64 board started this way shows no firmware.
MARKS = {
    PROCESS: re.compile(rb"course: process"),
    FIRMWARE: re.compile(rb"SeaBIOS|UEFI"),
    KERNEL: re.compile(rb"Booting from ROM|Booting Linux on|Linux version"),
    USER_SPACE: re.compile(rb"course: user space"),
}
LONGEST_MARK = 32
LIFE_SECONDS = 600
QEMU_SECONDS = 10  # from the container's start to QEMU's
INSIDE_PORT = 8080


class Console:
    """What a guest's serial console has shown, and the moment each phase began (perf_counter)."""

    def __init__(self, chunks: Iterable[bytes], began: float | None) -> None:
        self.moments: dict[str, float] = {} if began is None else {PROCESS: began}
        self.shown = bytearray()
        self.ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(chunks,), daemon=True)
        self._thread.start()

    def wait_for(self, phase: str, until: float) -> bool:
        """Wait until `until` (perf_counter) or the console's end; return whether it was reached."""
        with self._changed:
            left = max(0.0, until - time.perf_counter())
            self._changed.wait_for(lambda: phase in self.moments or self.ended, left)
            return phase in self.moments

    def lines(self) -> list[str]:
        """Return the non-empty lines shown so far, without terminal escapes."""
        plain = re.sub(rb"\x1b(\[[0-9;?]*[A-Za-z]|c)", b"", bytes(self.shown))
        return [
            line.strip()
            for line in plain.decode("utf-8", "replace").splitlines()
            if line.strip() and "course: process" not in line
        ]

    def _read(self, chunks: Iterable[bytes]) -> None:
        with contextlib.suppress(Exception):  # a killed container's stream ends in many ways
            for chunk in chunks:
                self._take(chunk)
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def _take(self, chunk: bytes) -> None:
        now = time.perf_counter()
        tail = bytes(self.shown[-LONGEST_MARK:]) + chunk
        with self._changed:
            self.shown += chunk
            for phase, mark in MARKS.items():
                if phase not in self.moments and mark.search(tail):
                    self.moments[phase] = now
            self._changed.notify_all()


@dataclass
class Machine:
    """A running virtual machine, as `boot` yields it; the server in it answers at `port`."""

    guest: Guest
    where: Where
    console: Console
    port: int
    find_pid: Callable[[], int]

    @cached_property
    def pid(self) -> int:
        """QEMU's process id on the engine's host."""
        return self.find_pid()

    def wait_for(self, phase: str, seconds: float | None = None) -> float:
        """Wait until a phase is reached; return its moment on `time.perf_counter`'s clock.

        The timeout in `seconds` counts from QEMU's start (default: the guest's `boot_seconds`).
        Raises GuestNotReady, which names the phase that was reached.
        """
        timeout = self.guest.boot_seconds if seconds is None else seconds
        until = self.console.moments.get(PROCESS, time.perf_counter()) + timeout
        # The console does not show when the server answers: ask once user space is there.
        if not self.console.wait_for(USER_SPACE if phase == ANSWER else phase, until):
            raise self._not_ready(timeout)
        if phase == ANSWER and ANSWER not in self.console.moments:
            answered = answers.wait_for_answer(self.port, until, lambda: self.console.ended)
            if answered is None:
                raise self._not_ready(timeout)
            self.console.moments[ANSWER] = answered
        return self.console.moments[phase]

    def about(self) -> dict[str, str]:
        """Return what the small server in the guest reports about its environment."""
        return answers.fetch_about(self.port)

    def _not_ready(self, timeout: float) -> GuestNotReady:
        lines = self.console.lines()
        phase = max(self.console.moments, key=PHASES.index, default="nothing")
        if self.console.ended:
            how, hint = "ended by itself", "Run `python3 -m helpers doctor` to check your setup."
        else:
            how = f"was not ready within {timeout:g} s"
            hint = "Close other programs that use a lot of CPU time, then run the cell again."
        return GuestNotReady(
            f"The {self.guest.name} guest {how}. Last phase reached: {phase}."
            + (f" Last console line: {lines[-1][:120]}" if lines else ""),
            hint,
            phase,
        )


def find_architecture(engine: Engine) -> str:
    """Return QEMU's name of the engine's architecture.

    Raises CourseError if the course has no guests for it.
    """
    name = str(engine.client.info().get("Architecture", ""))
    if name not in qemu.ARCHITECTURES:
        raise CourseError(
            f"The course has no virtual machines for the architecture {name!r}.",
            "Use an engine on amd64 or arm64.",
        )
    return qemu.ARCHITECTURES[name]


def choose_place(engine: Engine) -> Where:
    """Return where QEMU runs: on this machine if it is installed, otherwise in a container."""
    here = qemu.ARCHITECTURES.get(platform.machine().lower(), "")
    installed = here == find_architecture(engine) and shutil.which(qemu.program(here))
    return "host" if installed else "container"


@contextmanager
def boot(
    engine: Engine,
    guest: Guest,
    *,
    accelerator: str,
    where: Where | None = None,
    append: str = "",
    on_progress: Callable[[str], None] | None = None,
) -> Iterator[Machine]:
    """Run a virtual machine until the block ends.

    `append` is added to the kernel's command line. Raises CourseError if QEMU cannot be started.
    """
    guests.ensure(engine, guest.image, on_progress)
    architecture = find_architecture(engine)
    command = partial(
        qemu.command, guest, architecture=architecture, accelerator=accelerator, append=append
    )
    if (where or choose_place(engine)) == "host":
        start = _on_host(engine, guest, command)
    else:
        start = _in_container(engine, guest, command, with_kvm=accelerator == "kvm")
    with start as machine:
        yield machine


@contextmanager
def _in_container(
    engine: Engine, guest: Guest, command: Callable[..., list[str]], *, with_kvm: bool
) -> Iterator[Machine]:
    from docker.errors import APIError

    container = engine.client.containers.create(
        guest.image,
        command(folder="/guest", listen=f"0.0.0.0:{INSIDE_PORT}"),
        name=f"course-vm-{guest.name}-{secrets.token_hex(3)}",
        labels=labels(),
        environment={"LIFE": str(LIFE_SECONDS)},
        ports={f"{INSIDE_PORT}/tcp": ("127.0.0.1", None)},
        devices=["/dev/kvm:/dev/kvm:rw"] if with_kvm else [],
        auto_remove=True,
    )
    try:
        # The entrypoint prints a line when it starts QEMU: the engine's time is not the VM's.
        console = Console(container.attach(stream=True, stdout=True, stderr=True), None)
        try:
            container.start()
        except APIError as error:
            raise CourseError(
                f"Docker could not start the container for QEMU: {error.explanation}",
                "Run `python3 -m helpers doctor` to check your setup.",
            ) from None
        container.reload()
        bound = container.ports.get(f"{INSIDE_PORT}/tcp") or [{"HostPort": 0}]
        console.wait_for(PROCESS, time.perf_counter() + QEMU_SECONDS)
        port = int(bound[0]["HostPort"])
        yield Machine(guest, "container", console, port, partial(find_qemu, container, console))
    finally:
        _remove(container)


def find_qemu(container: Container, console: Console) -> int:
    """Return the process id of the QEMU in a container, on the engine's host.

    Raises CourseError if QEMU ended, or has not started within QEMU_SECONDS.
    """
    from docker.errors import APIError

    until = time.perf_counter() + QEMU_SECONDS
    # The entrypoint prints its line a moment before it becomes QEMU.
    while not console.ended and time.perf_counter() < until:
        with contextlib.suppress(APIError):  # the container has ended: so does its console
            rows = container.top(ps_args="-eo pid,comm")["Processes"]
            if ids := [int(pid) for pid, name in rows if name.startswith("qemu")]:
                return ids[0]
        time.sleep(0.02)
    raise CourseError(
        "QEMU is not running in its container."
        + (f" Last console line: {lines[-1][:120]}" if (lines := console.lines()) else ""),
        "Run `python3 -m helpers doctor` to check your setup.",
    )


def _remove(container: Container) -> None:
    """Kill a container, which removes itself when it ends, and wait until it is gone."""
    from docker.errors import APIError, NotFound
    from requests.exceptions import RequestException

    with contextlib.suppress(NotFound, APIError, RequestException):
        container.remove(force=True)
    with contextlib.suppress(NotFound, APIError, RequestException):
        container.wait(condition="removed", timeout=20)


@contextmanager
def _on_host(engine: Engine, guest: Guest, command: Callable[..., list[str]]) -> Iterator[Machine]:
    folder = guests.copy_out(engine, guest)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    args = command(folder=str(folder), listen=f"127.0.0.1:{port}")
    if setpriv := shutil.which("setpriv"):
        # Linux: the kernel kills QEMU when this process ends, in whatever way. If it ended before
        # setpriv asked for that, $PPID is no longer its id.
        guard = ["sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"', str(os.getpid())]
        args = [setpriv, "--pdeathsig", "KILL", *guard, *args]
    began = time.perf_counter()
    child = subprocess.Popen(
        args,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        assert child.stdout is not None
        output = child.stdout.fileno()
        console = Console(iter(lambda: os.read(output, 65536), b""), began)
        yield Machine(guest, "host", console, port, lambda: child.pid)
    finally:
        child.kill()
        child.wait(20)
