"""The engine policy with real engines: the user's engine is used and left as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.engine import find
from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine, as_root
from helpers.errors import EngineUnavailable
from helpers.paths import CHECKOUT
from helpers.setup import packages

pytestmark = pytest.mark.engine


def run_helpers(engine: Engine, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "helpers", *args],
        cwd=CHECKOUT,
        env=engine.env,
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def test_running_user_engine_is_used(fresh_user_engine: Engine) -> None:
    engine = find.find_user_engine()
    assert engine is not None
    assert (engine.kind, engine.host) == ("user", fresh_user_engine.host)


def test_doctor_and_clean_keep_user_engine(fresh_user_engine: Engine) -> None:
    lists = [["ps", "-aq"], ["images", "-q"], ["volume", "ls", "-q"], ["network", "ls", "-q"]]
    before = [fresh_user_engine.run(*each).stdout for each in lists]
    assert "your own" in run_helpers(fresh_user_engine, "doctor").stdout
    assert run_helpers(fresh_user_engine, "clean").returncode == 0
    assert [fresh_user_engine.run(*each).stdout for each in lists] == before


def test_docker_host_without_engine_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(EngineUnavailable, match="no engine answers there"):
        find.find_user_engine()


def run_in_network_namespace(code: str, *args: str) -> None:
    """Run Python code where the packet filter is empty; it must end by printing "as before"."""
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    completed = subprocess.run(
        [*as_root(env), "unshare", "--net", sys.executable, "-c", code, *args],
        env=env,
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert completed.stdout.endswith("as before\n"), completed.stdout + completed.stderr


STOPPED_AND_KILLED = r"""
import sys
from pathlib import Path
from helpers.engine.private import PrivateEngine

daemon = PrivateEngine(Path(sys.argv[1]))
run = daemon.network.run
forwarding = "/proc/sys/net/ipv4/ip_forward"

def network():
    return "".join([*(run(["iptables", "-t", table, "-S"]) for table in ("filter", "nat")),
                    run(["ip", "-brief", "link"]), Path(forwarding).read_text()])

daemon.network.link_iptables()
run(["sh", "-c", f"echo 0 > {forwarding}"])
run(["iptables", "-A", "FORWARD", "-s", "10.1.2.3", "-j", "ACCEPT"])
before = network()
for how in sys.argv[2:]:
    daemon.launch()
    created = daemon.engine("").run("network", "create", f"net-{how}")
    assert created.returncode == 0, created.stderr
    during = network()
    assert "-P FORWARD DROP" in during and "DOCKER" in during and during.endswith("1\n"), during
    assert "br-" in during
    if how == "killed":      # the halt that finds no daemon restores the network
        run(["kill", "-9", (daemon.base / "run/docker.pid").read_text()])
        run(["sleep", "1"])
        run(["iptables", "-A", "FORWARD", "-s", "10.1.2.4", "-j", "ACCEPT"])
        before = before.replace("10.1.2.3/32 -j ACCEPT",
                                "10.1.2.3/32 -j ACCEPT\n-A FORWARD -s 10.1.2.4/32 -j ACCEPT")
        bridges = [word for word in run(["ip", "-brief", "link"]).split() if word[:3] == "br-"]
        daemon.halt()
        for bridge in bridges:      # without an answer, the engine's bridges are unknown
            run(["ip", "link", "del", bridge])
    daemon.halt()
    assert network() == before, network()
print("as before")
"""


def test_network_is_restored(engine: Engine, short_tmp: Path) -> None:
    run_in_network_namespace(STOPPED_AND_KILLED, str(short_tmp), "stopped", "killed", "again")
    assert str(short_tmp) not in Path("/proc/mounts").read_text()


TWO_ENGINES = r"""
import sys
from pathlib import Path
from helpers.engine.private import PrivateEngine

first, second = (PrivateEngine(Path(folder)) for folder in sys.argv[1:])
first.network.link_iptables()

def rules():
    return [rule for table in ("filter", "nat")
            for rule in first.network.run(["iptables", "-t", table, "-S"]).splitlines()]

before = rules()
try:
    first.launch()
    assert first.engine("").run("network", "create", "net").returncode == 0
    of_first = set(rules())
    second.launch()
    assert of_first <= set(rules()), of_first - set(rules())
    second.halt()
    assert set(rules()) == of_first
finally:
    second.halt()
    first.halt()
assert rules() == before, rules()
print("as before")
"""


def test_second_engine_keeps_rules_of_first(engine: Engine, short_tmp: Path) -> None:
    folders = [short_tmp / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    run_in_network_namespace(TWO_ENGINES, *map(str, folders))


def test_mirror_without_package_lists(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected = packages.mirror.__wrapped__()
    (tmp_path / "lists/partial").mkdir(parents=True)
    settings = tmp_path / "apt.conf"
    settings.write_text(f'Dir::State::lists "{tmp_path}/lists";\n')
    monkeypatch.setenv("APT_CONFIG", str(settings))
    assert packages.main_source() == ""
    assert packages.mirror.__wrapped__() == expected
    assert [path.name for path in (tmp_path / "lists").rglob("*")] == ["partial"]


def test_last_lease_stops_private_engine(engine: Engine, second_daemon: PrivateEngine) -> None:
    second_daemon.start()
    second_daemon.leases.take("somebody-else")
    second_daemon.release()
    assert second_daemon.answer() is not None
    second_daemon.leases.drop("somebody-else")
    second_daemon.start()
    second_daemon.release()
    assert second_daemon.answer() is None
