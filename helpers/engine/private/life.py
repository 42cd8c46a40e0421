"""The private engine's life: start it, share it between processes by leases, and stop it.

It has separate data, sockets, bridge and containerd, publishes ports on 127.0.0.1 only, and stops
with the last process that uses it. It needs Linux with Debian packages, and root or sudo.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from helpers import process
from helpers.engine import probe
from helpers.engine.engine import Engine
from helpers.engine.private import build_group, install
from helpers.engine.private.leases import Leases
from helpers.engine.private.network import Network
from helpers.engine.private.privileges import STOP_SECONDS, as_root, kill, run_quietly, terminate
from helpers.errors import EngineUnavailable
from helpers.paths import cache_dir
from helpers.process import wait_until
from helpers.setup.console import step
from helpers.setup.signals import uninterrupted

START_SECONDS = 60
STANDING = "engine-start"  # the lease that `engine start` takes
# Published ports stay on this machine in every network; --ip alone covers the default one.
LOOPBACK = (
    "--ip=127.0.0.1",
    "--default-network-opt=bridge=com.docker.network.bridge.host_binding_ipv4=127.0.0.1",
)
# The build cache would grow to most of the disk. The first key is for engines before 28.
CACHE_SIZE = "6GB"
GARBAGE_COLLECTION = {"defaultKeepStorage": CACHE_SIZE, "defaultMaxUsedSpace": CACHE_SIZE}


class PrivateEngine:
    """The private engine that lives in one folder; `daemon_args` are further options of dockerd."""

    def __init__(self, base: Path | None = None, daemon_args: tuple[str, ...] = LOOPBACK) -> None:
        self.base = base or cache_dir() / "engine"
        self.daemon_args = daemon_args
        self.root = cache_dir() / "engine" / "root"
        self.host = f"unix://{self.base}/run/docker.sock"
        # Keep the name short: containerd adds to it, and a socket's path has at most 107 bytes.
        self.containerd = self.base / "run/ctr.sock"
        self.log = self.base / "dockerd.log"
        self.leases = Leases(self.base / "leases")
        self.network = Network(self.base, self.root)

    # -- what others ask ------------------------------------------------------------------
    unavailable_reason = staticmethod(install.unavailable_reason)

    def engine(self, version: str) -> Engine:
        """Return the engine as the rest of the course uses it."""
        return Engine(self.host, "private", version, *self.client())

    def client(self) -> tuple[str, dict[str, str]]:
        """Return the unpacked docker command, and the environment in which it finds its plugins."""
        bin_dir = self.root / "usr/bin"
        path = f"{bin_dir}:{os.environ.get('PATH', '')}"
        return str(bin_dir / "docker"), {"PATH": path, "DOCKER_CONFIG": str(self.base / "config")}

    def answer(self) -> probe.Answer | None:
        """Return the running engine's version information, or None if it is not running."""
        try:
            return probe.ask(self.host)
        except OSError:
            return None

    def daemons(self) -> list[int]:
        """Return the ids of this engine's dockerd: one, or also a second one still stopping."""
        return list(_find_processes("dockerd", self.host))

    # -- life -----------------------------------------------------------------------------
    def start(self) -> Engine:
        """Start the engine unless it is running, and take a lease on it for this process."""
        with self.leases.locked():
            answer = self.answer()
            if answer is None:
                self.install()
                with step("starting the private engine"):
                    answer = self.launch()
            self.leases.take()
            return self.engine(answer.version)

    def release(self) -> None:
        """Give up this process's lease; stop the engine if it was the last one."""
        with uninterrupted(), self.leases.locked():
            self.leases.drop()
            if not self.leases.held():
                self.halt()

    def stop(self) -> list[str]:
        """Drop the standing lease and stop the engine unless it is in use; return other leases."""
        with uninterrupted(), self.leases.locked():
            self.leases.drop(STANDING)
            others = self.leases.held()
            if not others:
                self.halt()
            return others

    def install(self) -> None:
        """Unpack the engine's packages, or replace those of an earlier version of the course."""
        install.install(self.root, self.base / "config/cli-plugins")

    def launch(self) -> probe.Answer:
        """Start containerd and dockerd, without taking a lease; return dockerd's first answer.

        Raises EngineUnavailable, with the last line of the engine's log, if it does not answer.
        """
        # A daemon that is still stopping would delete the files of the new one.
        wait_until(lambda: not self.daemons(), STOP_SECONDS)
        self._end_leftovers()
        for folder in ("run", "bin"):
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        self.network.prepare()
        (self.base / "run/docker.pid").unlink(missing_ok=True)
        containerd = self._spawn(self._containerd_command(), self.base / "containerd.log")
        daemon = self._spawn(self._dockerd_command(), self.log)
        try:
            wait_until(lambda: self.answer() or daemon.poll() is not None, START_SECONDS)
        except KeyboardInterrupt:  # nobody holds a lease on it yet
            with uninterrupted():
                for child in (daemon, containerd):
                    terminate(child.pid)
                self.halt()
            raise
        if answer := self.answer():
            self.network.restore_other_engines()
            build_group.make_group(self.host)
            return answer
        self.halt()
        last = self.log.read_text(errors="replace").strip().rpartition("\n")[2][-300:]
        raise EngineUnavailable(
            "The private engine did not start. "
            + (f"The last line of its log: {last}" if last else "Its log is empty."),
            f"Read the full log: {self.log}",
        )

    def halt(self) -> None:
        """Stop the daemon and everything that it started, and restore the machine's network."""
        bridges: list[str] = []
        with suppress(OSError):  # without an answer the bridges of its networks stay
            bridges = probe.bridges(self.host)
        for pid in self.daemons():
            terminate(pid)
        self._end_leftovers()
        if not self.daemons():
            self.network.restore(bridges)
            build_group.remove_group(self.host)

    # -- parts ----------------------------------------------------------------------------
    def _containerd_command(self) -> list[str]:
        """Return the command line of a containerd for this engine alone.

        dockerd would use one that runs at the system's default address, and with it the containers
        of another Docker. The folders are those that dockerd would choose.
        """
        config = self.base / "run/containerd.toml"
        config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        return [
            *("containerd", "--config", str(config), "--address", str(self.containerd)),
            *("--root", f"{self.base}/data/containerd/daemon"),
            *("--state", f"{self.base}/exec/containerd/daemon"),
        ]

    def _dockerd_command(self) -> list[str]:
        """Return the command line of dockerd, with a configuration of its own.

        Without one it reads the machine's, which may contradict these options.
        """
        config = self.base / "run/daemon.json"
        config.write_text(json.dumps({"builder": {"gc": {"enabled": True, **GARBAGE_COLLECTION}}}))
        return [
            *("dockerd", "--config-file", str(config)),
            *("--host", self.host, "--containerd", str(self.containerd)),
            *("--data-root", f"{self.base}/data", "--exec-root", f"{self.base}/exec"),
            *("--pidfile", f"{self.base}/run/docker.pid", "--group", str(os.getgid())),
            *("--bridge", self.network.bridge, *self.daemon_args),
        ]

    def _spawn(self, command: list[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a daemon in the background; it outlives this process."""
        env = self.network.env
        with log.open("wb") as output:
            return subprocess.Popen(
                [*as_root(env), *command],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _end_leftovers(self) -> None:
        """End containerd and what a killed daemon left running: containers, build steps, mounts."""
        for shim in _find_processes("containerd-shim-runc-v2", str(self.containerd)):
            _end_shim(shim)
        for pid in _find_processes("containerd", str(self.containerd)):
            terminate(pid)
        data = str(self.base / "data")
        for pid in process.all_pids():
            if _runs_in_overlay(pid, data):  # a RUN step that BuildKit was executing
                kill(pid, signal.SIGKILL)
                wait_until(partial(process.has_exited, pid), 5)
        for point in reversed(_mount_points(data, str(self.base / "exec"))):
            run_quietly(["umount", "--lazy", point])


def _find_processes(name: str, argument: str) -> Iterator[int]:
    """Yield the ids of the processes of a program that have this argument."""
    for pid in process.all_pids():
        command = process.command_line(pid)
        if command and Path(command[0]).name == name and argument in command:
            yield pid


def _end_shim(shim: int) -> None:
    """Kill the containers of a shim, which is the parent of what they started, then the shim."""

    def has_no_containers() -> bool:
        for pid in (containers := process.children(shim)):
            kill(pid, signal.SIGKILL)
        return not containers

    wait_until(has_no_containers, 2)
    terminate(shim)


def _runs_in_overlay(pid: int, data: str) -> bool:
    """Return whether a process has an overlay file system in the engine's data as its root."""
    try:
        first_mount = Path(f"/proc/{pid}/mountinfo").read_text().split("\n", 1)[0]
    except OSError:
        return False
    mount = _unescape(first_mount)
    return f"upperdir={data}/" in mount and " / / " in mount


def _mount_points(*folders: str) -> list[str]:
    """Return the mount points in an engine's folders.

    A folder itself counts if dockerd has mounted it on itself (a killed dockerd leaves that), but
    not if it is a disk that the user has mounted.
    """
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        root, point = map(_unescape, line.split()[3:5])
        if point.startswith(tuple(f"{folder}/" for folder in folders)) or (
            point in folders and point.endswith(root)
        ):
            points.append(point)
    return points


def _unescape(text: str) -> str:
    r"""Return text of mountinfo with its escapes decoded: a space is written \040 (proc(5))."""
    return re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), text)
