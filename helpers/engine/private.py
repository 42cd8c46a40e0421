"""The private engine: Debian's engine packages, unpacked and run from the user's cache folder.

It has its own data, containerd, sockets and bridge, publishes ports on 127.0.0.1 alone, and stops
with the last command that uses it. Nothing is installed on the system, and what the daemon changes
of this machine's network is restored. Needs Linux with Debian packages and root (or sudo).
Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from helpers.engine import packet_filter, probe, processes
from helpers.engine.engine import Engine
from helpers.engine.leases import Leases
from helpers.errors import CourseError, EngineUnavailable
from helpers.setup import packages
from helpers.setup.console import cache_dir, say, step
from helpers.setup.signals import uninterrupted

# Each needs libc 2.34 or newer, which Debian 12 has. Its own engine (20.10) is too old.
NAMED = ("docker.io", "docker-cli", "containerd", "docker-buildx", "docker-compose")
# The suites to take them from, the newest first, with what each needs besides: Engine 28 keeps
# its init program in a package of its own.
SUITES = {"forky": ("tini-static",), "trixie": ()}
# From the system's own suite: the newer ones need a newer libc.
SYSTEM = ("runc", "iptables", "iproute2", "mmdebstrap")
# Changed when the packages above change: the course then replaces what it unpacked before.
RECIPE = "2"
START_SECONDS = 60
# A container gets 10 s to stop, and dockerd waits 15 s for all of them.
STOP_SECONDS = 30
STANDING = "engine-start"
# Published ports stay on this machine, in every network (--ip is the default network's alone).
LOOPBACK = ("--ip", "127.0.0.1",
            "--default-network-opt=bridge=com.docker.network.bridge.host_binding_ipv4=127.0.0.1")


class PrivateEngine:
    """The private engine that lives under one folder."""

    def __init__(self, base: Path | None = None, daemon_args: tuple[str, ...] = ()) -> None:
        self.base = base or cache_dir() / "engine"
        # A name of at most 15 letters, and another for each engine: two users may have one each.
        self.bridge = f"dcourse{hashlib.sha256(str(self.base).encode()).hexdigest()[:8]}"
        self.daemon_args = daemon_args
        self.root = (cache_dir() / "engine") / "root"
        self.host = f"unix://{self.base}/run/docker.sock"
        # A short name: containerd adds to it, and a socket's path holds 107 bytes.
        self.containerd = self.base / "run/ctr.sock"
        self.leases = Leases(self.base / "leases")
        self.log = self.base / "dockerd.log"
        self.network_before = self.base / "network-before.json"

    # -- what others need to know ---------------------------------------------------------
    def refusal(self) -> str:
        """Return why a private engine can't run here, or "" if it can."""
        if platform.system() != "Linux":
            return "a private engine needs Linux"
        if packages.os_codename() not in ("bookworm", "trixie") or not shutil.which("apt-get"):
            return "the private engine is made of Debian packages, and this is not Debian 12 or 13"
        if os.geteuid() != 0 and not shutil.which("sudo"):
            return "an engine has to be started as root, and there is no sudo"
        return ""

    def engine(self, version: str) -> Engine:
        """Return the engine as the rest of the course uses it."""
        return Engine(self.host, "private", version, *self.client())

    def client(self) -> tuple[str, dict[str, str]]:
        """Return the unpacked docker command, and the environment in which it finds its plugins."""
        path = f"{self.root}/usr/bin:{os.environ.get('PATH', '')}"
        return str(self.root / "usr/bin/docker"), {
            "PATH": path, "DOCKER_CONFIG": str(self.base / "config")}

    def answer(self) -> probe.Answer | None:
        """Return what the running engine says, or None when it is not running."""
        try:
            return probe.ask(self.host)
        except OSError:
            return None

    # -- life -----------------------------------------------------------------------------
    def start(self) -> Engine:
        """Start the engine unless it runs, and take a lease on it for this process.

        Raises EngineUnavailable, with the last line of the engine's log, when it does not start.
        """
        with self.leases.locked():
            answer = self.answer()
            if answer is None:
                self.install()
                with step("starting the private engine"):
                    answer = self._launch()
            self.leases.take()
            return self.engine(answer.version)

    def release(self) -> None:
        """Give this process's lease back; the last one stops the engine."""
        with uninterrupted(), self.leases.locked():
            self.leases.drop()
            if not self.leases.held():
                self._halt()

    def stop(self) -> list[str]:
        """Drop the standing lease and stop, unless others use it: their leases are returned."""
        with uninterrupted(), self.leases.locked():
            self.leases.drop(STANDING)
            others = self.leases.held()
            if not others:
                self._halt()
            return others

    def install(self) -> None:
        """Unpack the engine's packages, or replace what an earlier version of the course unpacked.

        Raises CourseError when they can't be downloaded and there are none yet.
        """
        made_from = self.root / ".recipe"
        is_there = self.root.is_dir()
        if not is_there or not made_from.is_file() or made_from.read_text() != RECIPE:
            what = "a newer Docker Engine, your images are kept" if is_there else (
                "Docker Engine from Debian packages, into your cache folder")
            try:
                with step(what):
                    self._unpack()
            except CourseError as error:
                if not is_there:
                    raise
                say(f"  !  the engine stays as it is for now: {error.message}")
        plugins = self.base / "config/cli-plugins"
        plugins.mkdir(parents=True, exist_ok=True)
        for plugin in (self.root / "usr/libexec/docker/cli-plugins").iterdir():
            _link(plugins / plugin.name, plugin)

    def _unpack(self) -> None:
        system = packages.os_codename()
        fresh, old = self.root.with_name("root.new"), self.root.with_name("root.old")
        for suite, more in SUITES.items():
            names = [f"{name}/{suite}" for name in (*NAMED, *more)]
            names += [f"{name}/{system}" for name in SYSTEM]
            try:
                packages.unpack(names, fresh, suites=sorted({system, suite}))
                break
            except packages.NotResolvable:
                if suite == list(SUITES)[-1]:
                    raise
        (fresh / ".recipe").write_text(RECIPE)
        shutil.rmtree(old, ignore_errors=True)
        if self.root.is_dir():
            self.root.rename(old)
        fresh.rename(self.root)
        shutil.rmtree(old, ignore_errors=True)

    def _launch(self) -> probe.Answer:
        # One that is still stopping would take the new one's files away; wait for its end.
        wait_until(lambda: not self._daemons(), STOP_SECONDS)
        self._end_leftovers()
        for folder in ("run", "bin"):
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        env = self._daemon_env()
        self._link_iptables(env)
        self._make_bridge(env)
        packet_filter.remember(self.network_before, self._network_tool)
        (self.base / "run/docker.pid").unlink(missing_ok=True)
        containerd = self._start_process(self._containerd_command(), self.base / "containerd.log")
        daemon = self._start_process(
            ["dockerd", "--host", self.host, "--containerd", str(self.containerd),
             "--data-root", str(self.base / "data"), "--exec-root", str(self.base / "exec"),
             "--pidfile", str(self.base / "run/docker.pid"), "--bridge", self.bridge, *LOOPBACK,
             "--group", str(os.getgid()), *self.daemon_args], self.log)
        try:
            wait_until(lambda: self.answer() or daemon.poll() is not None, START_SECONDS)
        except KeyboardInterrupt:      # nobody holds a lease on it yet
            with uninterrupted():
                for child in (daemon, containerd):
                    _end(child.pid)
                self._halt()
            raise
        if answer := self.answer():
            return answer
        self._halt()
        lines = [line for line in self.log.read_text(errors="replace").splitlines() if line]
        raise EngineUnavailable("The private engine did not start. Its log ends with: "
                                + (lines[-1][-300:] if lines else "nothing"),
                                f"Read the whole log: {self.log}")

    def _containerd_command(self) -> list[str]:
        """Return the command line of a containerd of its own.

        dockerd would use one that it finds at the system's default address, and with it the
        containers of another Docker. The folders are those that dockerd would give it.
        """
        config = self.base / "run/containerd.toml"
        config.write_text('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n')
        return ["containerd", "--config", str(config), "--address", str(self.containerd),
                "--root", str(self.base / "data/containerd/daemon"),
                "--state", str(self.base / "exec/containerd/daemon")]

    def _start_process(self, command: list[str], log: Path) -> subprocess.Popen[bytes]:
        env = self._daemon_env()
        with log.open("wb") as output:
            return subprocess.Popen([*as_root(env), *command], env=env, stdin=subprocess.DEVNULL,
                                    stdout=output, stderr=output, start_new_session=True)

    def _halt(self) -> None:
        """Stop the daemon and all that it started, and restore this machine's network."""
        bridges = [self.bridge]
        with suppress(OSError):      # it does not answer: its networks' bridges stay
            bridges += probe.bridges(self.host)
        for pid in self._daemons():
            _end(pid)
        self._end_leftovers()
        if self._daemons() or not self.network_before.exists():
            return
        for bridge in bridges:      # a network's own is made again with the engine
            self._network_tool(["ip", "link", "del", bridge])
        packet_filter.put_back(self.network_before, bridges, self._network_tool)

    def _daemons(self) -> list[int]:
        """Return the ids of this engine's dockerd: one, or a second one that is still stopping."""
        return list(self._processes("dockerd", self.host))

    def _processes(self, name: str, argument: str) -> Iterator[int]:
        for pid in processes.all_pids():
            command = processes.command_line(pid)
            if command and Path(command[0]).name == name and argument in command:
                yield pid

    def _network_tool(self, command: list[str]) -> str:
        """Run `ip`, `iptables` or another with the right to change the network; what it printed."""
        env = self._daemon_env()
        return subprocess.run([*as_root(env), *command], env=env, text=True, capture_output=True,
                              check=False, stdin=subprocess.DEVNULL).stdout

    def _end_leftovers(self) -> None:
        """End containerd, and what a daemon that was killed left: containers, a RUN that BuildKit
        was running, and mounts."""
        for shim in self._processes("containerd-shim-runc-v2", str(self.containerd)):
            for _ in range(100):      # a shim collects what its container started
                for child in (left := processes.children(shim)):
                    _kill(child, signal.SIGKILL)
                if not left:
                    break
                time.sleep(0.02)
            _end(shim)
        for pid in self._processes("containerd", str(self.containerd)):
            _end(pid)
        data = str(self.base / "data")
        for pid in processes.all_pids():
            with suppress(OSError):
                mounted = _unescape(Path(f"/proc/{pid}/mountinfo").read_text().split("\n", 1)[0])
                if f"upperdir={data}/" in mounted and " / / " in mounted:
                    _kill(pid, signal.SIGKILL)
                    wait_until(lambda pid=pid: processes.has_exited(pid), 5)
        for point in reversed(_mounts_under(data, str(self.base / "exec"))):
            _quiet([*as_root({}), "umount", "--lazy", point], dict(os.environ))

    # -- parts ----------------------------------------------------------------------------
    def _daemon_env(self) -> dict[str, str]:
        """The daemon's environment: our tools first on the PATH, our libraries for iptables."""
        lib = next((self.root / "usr/lib").glob("*-linux-gnu"), self.root / "usr/lib")
        tools = f"{self.base}/bin:{self.root}/usr/sbin:{self.root}/usr/bin:{self.root}/sbin"
        env = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}:/usr/sbin:/sbin"}
        for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
            env.pop(name, None)
        return env | {"LD_LIBRARY_PATH": str(lib), "XTABLES_LIBDIR": str(lib / "xtables")}

    def _link_iptables(self, env: dict[str, str]) -> None:
        """Name as `iptables` the variant in use on this machine: legacy where its tables are
        filled (a packet must pass both), else nft where this kernel has it."""
        bin_dir = self.base / "bin"
        bin_dir.mkdir(parents=True, exist_ok=True)
        sbin = self.root / "usr/sbin"
        legacy = self._network_tool(["cat", "/proc/net/ip_tables_names"]).strip()
        works = [*as_root(env), str(sbin / "iptables-nft"), "-t", "nat", "-S"]
        variant = "nft" if not legacy and _quiet(works, env) else "legacy"
        for name in ("iptables", "ip6tables"):
            for suffix in ("", "-save", "-restore"):
                _link(bin_dir / f"{name}{suffix}", sbin / f"{name}-{variant}{suffix}")

    def _make_bridge(self, env: dict[str, str]) -> None:
        """A bridge of our own, on a network that no route here uses yet."""
        if Path(f"/sys/class/net/{self.bridge}").exists():
            return
        routes = subprocess.run(["ip", "-4", "route"], env=env, text=True, capture_output=True,
                                check=False).stdout
        net = next(n for n in range(99, 255) if f"172.30.{n}." not in routes)
        for args in (["link", "add", "name", self.bridge, "type", "bridge"],
                     ["addr", "add", f"172.30.{net}.1/24", "dev", self.bridge],
                     ["link", "set", self.bridge, "up"]):
            if not _quiet([*as_root(env), "ip", *args], env):
                raise EngineUnavailable("The private engine's network bridge could not be made.",
                                        "Start as root, or with the right to use sudo.")


def _mounts_under(*folders: str) -> list[str]:
    """Return the mount points in an engine's folders, and a folder itself where dockerd has
    mounted it on itself (a killed one does not undo that); not a disk that the user mounted."""
    points = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        root, point = map(_unescape, line.split()[3:5])
        if any(point.startswith(f"{folder}/") or (point == folder and point.endswith(root))
               for folder in folders):
            points.append(point)
    return points


def _unescape(text: str) -> str:
    """Return text of mountinfo as it was: it writes a space as \\040 (proc(5))."""
    return re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), text)


def wait_until(is_true: Callable[[], object], seconds: float) -> bool:
    """Wait until a condition is true, at most `seconds`; return whether it is."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def as_root(env: dict[str, str]) -> list[str]:
    """What stands before a command that needs root: nothing for root, else sudo, which passes on
    of `env` what our tools need."""
    if os.geteuid() == 0:
        return []
    kept = [f"{k}={env[k]}" for k in ("PATH", "LD_LIBRARY_PATH", "XTABLES_LIBDIR") if k in env]
    quiet = [] if sys.stdin and sys.stdin.isatty() else ["-n"]
    return ["sudo", *quiet, "env", *kept]


def _kill(pid: int, sig: signal.Signals) -> None:
    if os.geteuid() == 0:
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            return
    else:
        _quiet([*as_root({}), "kill", f"-{sig.value}", str(pid)], dict(os.environ))


def _end(pid: int) -> bool:
    """Terminate a process, and kill it if it does not end; return whether it has ended."""
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5)):
        _kill(pid, number)
        if wait_until(lambda: processes.has_exited(pid), seconds):
            return True
    return False


def _quiet(command: list[str], env: dict[str, str]) -> bool:
    try:
        return subprocess.run(command, env=env, capture_output=True, check=False,
                              stdin=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)
