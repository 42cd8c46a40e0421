"""A virtual machine from the start of its QEMU to its end: `boot`, and what it tells meanwhile.

QEMU runs on this machine where it is installed, else in a container of the course's own image.
Whatever happens, the QEMU is gone when the `with` block ends; where this process was killed
before that, a QEMU of this machine dies with it, and one in a container after LIFE_SECONDS.
Knows nothing of measuring or drawing.
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
from typing import TYPE_CHECKING, Literal

from helpers.engine import answers
from helpers.engine.owner import labels
from helpers.engine.vm import guests, qemu
from helpers.errors import CourseError

if TYPE_CHECKING:
    from docker.models.containers import Container

    from helpers.engine.engine import Engine
    from helpers.engine.vm.guests import Guest

Where = Literal["container", "host"]
PROCESS, FIRMWARE, KERNEL, USER_SPACE, ANSWER = PHASES = (
    "process", "firmware", "kernel", "user space", "first answer")
# What the console shows when a phase begins. On a PC the firmware's last words come before the
# kernel's first; an arm64 board started this way has no firmware to speak of.
MARKS = {FIRMWARE: re.compile(rb"SeaBIOS|UEFI"),
         KERNEL: re.compile(rb"Booting from ROM|Booting Linux on|Linux version"),
         USER_SPACE: re.compile(rb"course: user space")}
LONGEST_MARK = 32
LIFE_SECONDS = 600
INSIDE_PORT = 8080


class GuestNotReady(CourseError):
    """A guest that ended or did not become ready in its time; `phase` is how far it came."""

    def __init__(self, message: str, hint: str, phase: str) -> None:
        super().__init__(message, hint)
        self.phase = phase


class Console:
    """What a guest's serial console has shown, and when each phase's mark came (seconds)."""

    def __init__(self, chunks: Iterable[bytes], began: float | None) -> None:
        self.moments: dict[str, float] = {} if began is None else {PROCESS: began}
        self.shown = bytearray()
        self.ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(chunks,), daemon=True)
        self._thread.start()

    def wait_for(self, phase: str, until: float) -> bool:
        """Whether the phase was reached before the clock says `until`, or the console closed."""
        with self._changed:
            self._changed.wait_for(lambda: phase in self.moments or self.ended,
                                   max(0.0, until - time.perf_counter()))
            return phase in self.moments

    def lines(self) -> list[str]:
        """The lines shown so far that hold anything, without terminal escapes."""
        plain = re.sub(rb"\x1b(\[[0-9;?]*[A-Za-z]|c)", b"", bytes(self.shown))
        return [line.strip() for line in plain.decode("utf-8", "replace").splitlines()
                if line.strip() and "course: process" not in line]

    def _read(self, chunks: Iterable[bytes]) -> None:
        try:
            for chunk in chunks:
                self._take(chunk)
        except Exception:       # the stream of a killed container ends in many ways
            pass
        finally:
            with self._changed:
                self.ended = True
                self._changed.notify_all()

    def _take(self, chunk: bytes) -> None:
        now = time.perf_counter()
        tail = bytes(self.shown[-LONGEST_MARK:]) + chunk
        with self._changed:
            self.shown += chunk
            if PROCESS not in self.moments and b"course: process" in tail:
                self.moments[PROCESS] = now
            for phase, mark in MARKS.items():
                if phase not in self.moments and mark.search(tail):
                    self.moments[phase] = now
            self._changed.notify_all()


class Machine:
    """A virtual machine that was started; made by `boot`."""

    def __init__(self, guest: Guest, accelerator: str, where: Where, console: Console,
                 port: int, container: Container | None, pid: int | None) -> None:
        self.guest, self.accelerator, self.where = guest, accelerator, where
        self.console, self.port = console, port
        self.container, self._pid = container, pid

    @property
    def pid(self) -> int:
        """The process id of QEMU, as the engine's host counts."""
        if self._pid is None:
            assert self.container is not None
            rows = self.container.top(ps_args="-eo pid,comm")["Processes"]
            self._pid = next(int(pid) for pid, name in rows if name.startswith("qemu"))
        return self._pid

    def wait_for(self, phase: str, seconds: float | None = None) -> float:
        """Wait until a phase is reached; return its moment on `time.perf_counter`'s clock.

        `seconds` counts from QEMU's start (default: the guest's own bound). Raises GuestNotReady,
        which names the phase that was reached.
        """
        bound = self.guest.boot_seconds if seconds is None else seconds
        until = self.console.moments.get(PROCESS, time.perf_counter()) + bound
        seen = self.console.wait_for(USER_SPACE if phase == ANSWER else phase, until)
        if seen and phase == ANSWER and ANSWER not in self.console.moments:
            answered = answers.first_answer(self.port, until, gone=lambda: self.console.ended)
            if answered is None:
                raise self._not_ready(bound)
            self.console.moments[ANSWER] = answered
        if not seen:
            raise self._not_ready(bound)
        return self.console.moments[phase]

    def ask(self, path: str) -> str:
        """What the small server inside answers to a GET of `path`."""
        return answers.ask(self.port, path)

    def reached(self) -> str:
        """The last phase that was reached."""
        return max(self.console.moments, key=PHASES.index, default="nothing")

    def _not_ready(self, bound: float) -> GuestNotReady:
        lines, phase = self.console.lines(), self.reached()
        how, hint = f"was not ready within {bound:g} s", (
            "Run the cell again when other programs leave this machine some time.")
        if self.console.ended:
            how, hint = "ended by itself", "Look at what is here: python3 -m helpers doctor"
        return GuestNotReady(
            f"The {self.guest.name} guest {how}. It reached: {phase}."
            + (f" Its console's last line: {lines[-1][:120]}" if lines else ""), hint, phase)


def architecture(engine: Engine) -> str:
    """The engine's architecture as QEMU calls it; raises CourseError for one without guests."""
    said = str(engine.client.info().get("Architecture", ""))
    if said not in qemu.ARCHITECTURES:
        raise CourseError(f"There are no guests for the architecture {said!r}.",
                          "Use an engine on amd64 or arm64.")
    return qemu.ARCHITECTURES[said]


def place(engine: Engine) -> Where:
    """Where QEMU runs: on this machine where it has one of its own, else in a container."""
    if platform.system() not in ("Linux", "Darwin"):
        return "container"
    here = qemu.ARCHITECTURES.get(platform.machine().lower(), "")
    own = here == architecture(engine) and shutil.which(qemu.program(here))
    return "host" if own else "container"


@contextmanager
def boot(engine: Engine, guest: Guest, *, accelerator: str, where: Where | None = None,
         append: str = "", on_progress: Callable[[str], None] | None = None) -> Iterator[Machine]:
    """Start a virtual machine; it runs until the block ends and is gone after it.

    Raises CourseError when QEMU cannot be started. `append` goes to the kernel's command line.
    """
    guests.ensure(engine, guest.image, on_progress)
    start = _on_host if (where or place(engine)) == "host" else _in_container
    with start(engine, guest, accelerator, append) as machine:
        yield machine


@contextmanager
def _in_container(engine: Engine, guest: Guest, accelerator: str, append: str) -> Iterator[Machine]:
    from docker.errors import APIError

    line = qemu.command(guest, "/guest", architecture=architecture(engine),
                        accelerator=accelerator, listen=f"0.0.0.0:{INSIDE_PORT}", append=append)
    container = engine.client.containers.create(
        guest.image, line, name=f"course-vm-{guest.name}-{secrets.token_hex(3)}", labels=labels(),
        environment={"LIFE": str(LIFE_SECONDS)}, ports={f"{INSIDE_PORT}/tcp": ("127.0.0.1", None)},
        devices=["/dev/kvm:/dev/kvm:rw"] if accelerator == "kvm" else [], auto_remove=True)
    try:
        # The entrypoint says when QEMU's process starts: the engine's own time is not the VM's.
        console = Console(container.attach(stream=True, stdout=True, stderr=True), None)
        try:
            container.start()
        except APIError as error:
            raise CourseError(f"QEMU's container could not be started: {error.explanation}",
                              "Run: python3 -m helpers doctor") from None
        container.reload()
        bound = container.ports.get(f"{INSIDE_PORT}/tcp") or [{"HostPort": 0}]
        console.wait_for(PROCESS, time.perf_counter() + 10)
        yield Machine(guest, accelerator, "container", console, int(bound[0]["HostPort"]),
                      container, None)
    finally:
        _remove(container)


def _remove(container: Container) -> None:
    """Kill a container and await that it is gone; it removes itself when it ends."""
    from docker.errors import APIError, NotFound
    from requests.exceptions import RequestException

    with contextlib.suppress(NotFound, APIError, RequestException):
        container.remove(force=True)
    with contextlib.suppress(NotFound, APIError, RequestException):
        container.wait(condition="removed", timeout=20)


@contextmanager
def _on_host(engine: Engine, guest: Guest, accelerator: str, append: str) -> Iterator[Machine]:
    folder = guests.copy_out(engine, guest)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = qemu.command(guest, str(folder), architecture=architecture(engine),
                        accelerator=accelerator, listen=f"127.0.0.1:{port}", append=append)
    tied = shutil.which("setpriv")
    if tied:        # Linux: QEMU dies with this process, however that ends
        # Whoever was killed before the tie was made is no longer the parent.
        line = [tied, "--pdeathsig", "KILL", "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"',
                str(os.getpid()), *line]
    began = time.perf_counter()
    child = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True)
    try:
        assert child.stdout is not None
        console = Console(iter(lambda: os.read(child.stdout.fileno(), 65536), b""), began)
        yield Machine(guest, accelerator, "host", console, port, None, child.pid)
    finally:
        child.kill()
        child.wait(20)

