"""The private engine: Debian's own engine packages, unpacked and run from the user's cache.

Its data, socket, bridge and pid file are its own, published ports stay on 127.0.0.1, and it ends
with the last command that uses it. Nothing on the system is installed, and what the daemon changes
of this machine's network is put back. Linux with Debian packages and the right to be root (or
sudo). Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from helpers.engine import packet_filter, probe
from helpers.engine.engine import Engine
from helpers.engine.leases import Leases
from helpers.errors import EngineUnavailable
from helpers.setup import packages
from helpers.setup.console import cache_dir, step

# Bookworm's own engine (20.10) is too old; trixie's needs only libc >= 2.34, but its runc and
# iptables need a newer one than bookworm has.
NAMED = ("docker.io", "docker-cli", "containerd", "docker-buildx", "docker-compose")
SYSTEM = ("runc", "iptables", "iproute2", "mmdebstrap")
START_SECONDS = 60
STANDING = "engine-start"


class PrivateEngine:
    """The private engine that lives under one folder."""

    def __init__(self, base: Path | None = None, daemon_args: tuple[str, ...] = ()) -> None:
        self.base = base or cache_dir() / "engine"
        # A name of at most 15 letters, and another for each engine: two users may have one each.
        self.bridge = f"dcourse{hashlib.sha256(str(self.base).encode()).hexdigest()[:8]}"
        self.daemon_args = daemon_args
        self.root = (cache_dir() / "engine") / "root"
        self.host = f"unix://{self.base}/run/docker.sock"
        self.leases = Leases(self.base / "leases")
        self.log = self.base / "dockerd.log"
        self.network_before = self.base / "network-before.json"

    # -- what others need to know ---------------------------------------------------------
    def refusal(self) -> str:
        """Why a private engine cannot be had here, or "" where it can."""
        if platform.system() != "Linux":
            return "a private engine needs Linux"
        if packages.os_codename() not in ("bookworm", "trixie") or not shutil.which("apt-get"):
            return "the private engine is made of Debian packages, and this is not Debian 12 or 13"
        if os.geteuid() != 0 and not shutil.which("sudo"):
            return "an engine has to be started as root, and there is no sudo"
        return ""

    def engine(self, version: str) -> Engine:
        """The engine as the rest of the course uses it."""
        path = f"{self.root}/usr/bin:{os.environ.get('PATH', '')}"
        env = {"PATH": path, "DOCKER_CONFIG": str(self.base / "config")}
        return Engine(self.host, "private", version, str(self.root / "usr/bin/docker"), env)

    def answer(self) -> probe.Answer | None:
        """What the running engine says, or None when it is not running."""
        try:
            return probe.ask(self.host)
        except OSError:
            return None

    # -- life -----------------------------------------------------------------------------
    def start(self) -> Engine:
        """Start the engine unless it runs, and take a lease on it for this process.

        Raises EngineUnavailable, with the engine's last words, when it does not come up.
        """
        with self.leases.locked():
            answer = self.answer()
            if answer is None:
                if not self.root.is_dir():
                    with step("Docker Engine from Debian packages, into your cache folder"):
                        self._install()
                with step("starting the private engine"):
                    answer = self._launch()
            self.leases.take()
            return self.engine(answer.version)

    def release(self) -> None:
        """Give this process's lease back; the last one stops the engine."""
        with self.leases.locked():
            self.leases.drop()
            if not self.leases.held():
                self._halt()

    def stop(self) -> list[str]:
        """Drop the standing lease and stop, unless others use it: their leases are returned."""
        with self.leases.locked():
            self.leases.drop(STANDING)
            others = self.leases.held()
            if not others:
                self._halt()
            return others

    def _install(self) -> None:
        suite = packages.os_codename()
        wanted = [f"{name}/trixie" for name in NAMED] + [f"{name}/{suite}" for name in SYSTEM]
        self.root.parent.mkdir(parents=True, exist_ok=True)
        packages.unpack(wanted, self.root, suites=sorted({suite, "trixie"}))

    def _launch(self) -> probe.Answer:
        for folder in ("run", "config/cli-plugins", "bin"):
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        for plugin in (self.root / "usr/libexec/docker/cli-plugins").iterdir():
            _link(self.base / "config/cli-plugins" / plugin.name, plugin)
        env = self._daemon_env()
        self._link_iptables(env)
        self._make_bridge(env)
        packet_filter.remember(self.network_before, self._network_tool)
        (self.base / "run/docker.pid").unlink(missing_ok=True)
        command = [*as_root(env), "dockerd", "--host", self.host,
                   "--data-root", str(self.base / "data"), "--exec-root", str(self.base / "exec"),
                   "--pidfile", str(self.base / "run/docker.pid"),
                   "--bridge", self.bridge, "--ip", "127.0.0.1", "--group", str(os.getgid()),
                   *self.daemon_args]
        with self.log.open("wb") as log:
            daemon = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                      stderr=log, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            answer = self.answer()
            if answer:
                return answer
            if daemon.poll() is not None:
                break
            time.sleep(0.1)
        self._halt()
        words = [line for line in self.log.read_text(errors="replace").splitlines() if line]
        raise EngineUnavailable("The private engine did not come up. Its last words: "
                                + (words[-1][-300:] if words else "none"),
                                f"The whole log: {self.log}")

    def _halt(self) -> None:
        """Stop the daemon, which may have ended by itself, and put this machine's network back."""
        bridges = [self.bridge]
        pid = self._daemon()
        if pid:
            with suppress(OSError):      # it does not answer: its networks' bridges stay
                bridges += probe.bridges(self.host)
            if not _end(pid):
                return
        elif not self.network_before.exists():
            return
        self._end_orphans()
        for bridge in bridges:      # a network's own is made again with the engine
            self._network_tool(["ip", "link", "del", bridge])
        packet_filter.put_back(self.network_before, bridges, self._network_tool)

    def _daemon(self) -> int | None:
        try:
            pid = int((self.base / "run/docker.pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
        except (OSError, ValueError):
            return None
        # Without our folder in its command the pid is somebody else's by now.
        return pid if str(self.base) in command else None

    def _network_tool(self, command: list[str]) -> str:
        """Run `ip`, `iptables` or another with the right to change the network; what it printed."""
        env = self._daemon_env()
        return subprocess.run([*as_root(env), *command], env=env, text=True, capture_output=True,
                              check=False, stdin=subprocess.DEVNULL).stdout

    def _end_orphans(self) -> None:
        """End what a stopped engine leaves: dockerd goes without the RUN that BuildKit was
        running, and that process keeps its overlay mounted."""
        data = str(self.base / "data")
        for process in Path("/proc").glob("[0-9]*"):
            try:
                mounted = (process / "mountinfo").read_text().split("\n", 1)[0]
            except OSError:
                continue
            if f"upperdir={data}/" in mounted and " / / " in mounted:
                _kill(int(process.name), signal.SIGKILL)
        time.sleep(0.1)
        for point in reversed(_mounts_of_an_engine(data)):
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


def _mounts_of_an_engine(data: str) -> list[str]:
    """The mount points under an engine's data folder, and the folder itself where dockerd has
    mounted it on itself (a killed one does not undo that); not a disk that the user mounted."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        _, _, _, root, point, *_ = line.split()
        if point.startswith(f"{data}/") or (point == data and point.endswith(root)):
            found.append(point)
    return found


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
    """End a process, at first politely; whether it has ended."""
    for sig, seconds in ((signal.SIGTERM, 30), (signal.SIGKILL, 5)):
        _kill(pid, sig)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if _gone(pid):
                return True
            time.sleep(0.05)
    return False


def _gone(pid: int) -> bool:
    """Whether a process has ended; a zombie, which its parent has not collected, has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def _quiet(command: list[str], env: dict[str, str]) -> bool:
    try:
        return subprocess.run(command, env=env, capture_output=True, check=False,
                              stdin=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)
