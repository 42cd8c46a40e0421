"""The engine policy against real engines: the user's own is used and left as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.engine import find
from helpers.engine.engine import Engine
from helpers.engine.owner import CHECKOUT
from helpers.engine.private import PrivateEngine, as_root
from helpers.errors import EngineUnavailable
from helpers.setup import packages

pytestmark = pytest.mark.engine


def helpers(engine: Engine, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "helpers", *args], cwd=CHECKOUT, env=engine.env,
                          text=True, capture_output=True, check=False, timeout=120,
                          stdin=subprocess.DEVNULL)


def test_an_engine_that_answers_is_used(own_engine: Engine) -> None:
    found = find.find_own()
    assert found is not None
    assert (found.kind, found.host) == ("own", own_engine.host)


def test_doctor_and_clean_leave_a_users_engine_as_it_was(own_engine: Engine) -> None:
    lists = [["ps", "-aq"], ["images", "-q"], ["volume", "ls", "-q"], ["network", "ls", "-q"]]
    before = [own_engine.run(*each).stdout for each in lists]
    assert "your own" in helpers(own_engine, "doctor").stdout
    assert helpers(own_engine, "clean").returncode == 0
    assert [own_engine.run(*each).stdout for each in lists] == before


def test_a_named_engine_that_is_stopped_is_said_in_one_message(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(EngineUnavailable, match="no engine answers there"):
        find.find_own()


# A network namespace is a machine's network made anew: an empty packet filter, forwarding off.
IN_A_NAMESPACE = r"""
import sys
from pathlib import Path
from helpers.engine.private import PrivateEngine

daemon = PrivateEngine(Path(sys.argv[1]))
run = daemon._network_tool
forwarding = "/proc/sys/net/ipv4/ip_forward"

def network():
    return "".join([*(run(["iptables", "-t", table, "-S"]) for table in ("filter", "nat")),
                    run(["ip", "-brief", "link"]), Path(forwarding).read_text()])

(daemon.base / "bin").mkdir()
daemon._link_iptables(daemon._daemon_env())
run(["sh", "-c", f"echo 0 > {forwarding}"])
run(["iptables", "-A", "FORWARD", "-s", "10.1.2.3", "-j", "ACCEPT"])
before = network()
for how in sys.argv[2:]:
    daemon._launch()
    made = daemon.engine("").run("network", "create", f"net-{how}")
    assert made.returncode == 0, made.stderr
    during = network()
    assert "-P FORWARD DROP" in during and "DOCKER" in during and during.endswith("1\n"), during
    assert "br-" in during
    if how == "killed":      # and put back by the stop that finds it gone
        run(["kill", "-9", (daemon.base / "run/docker.pid").read_text()])
        run(["sleep", "1"])
        run(["iptables", "-A", "FORWARD", "-s", "10.1.2.4", "-j", "ACCEPT"])
        before = before.replace("10.1.2.3/32 -j ACCEPT",
                                "10.1.2.3/32 -j ACCEPT\n-A FORWARD -s 10.1.2.4/32 -j ACCEPT")
        bridges = [word for word in run(["ip", "-brief", "link"]).split() if word[:3] == "br-"]
        daemon._halt()
        for bridge in bridges:      # nobody could say any more whose they are
            run(["ip", "link", "del", bridge])
    daemon._halt()
    assert network() == before, network()
print("as before")
"""


def test_the_machines_network_is_put_back(engine: Engine, short_tmp: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run([*as_root(env), "unshare", "--net", sys.executable, "-c", IN_A_NAMESPACE,
                           str(short_tmp), "stopped", "killed", "again"], env=env, text=True,
                          capture_output=True, check=False, timeout=120,
                          stdin=subprocess.DEVNULL)
    assert done.stdout.endswith("as before\n"), done.stdout + done.stderr
    assert str(short_tmp) not in Path("/proc/mounts").read_text()


def test_a_machine_without_package_lists_has_a_mirror_all_the_same(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = packages.mirror.__wrapped__()
    (tmp_path / "lists/partial").mkdir(parents=True)
    settings = tmp_path / "apt.conf"
    settings.write_text(f'Dir::State::lists "{tmp_path}/lists";\n')
    monkeypatch.setenv("APT_CONFIG", str(settings))
    assert packages._main_source() == ""
    assert packages.mirror.__wrapped__() == known
    assert [path.name for path in (tmp_path / "lists").rglob("*")] == ["partial"]


def test_the_private_engine_starts_twice_and_stops_once(
        engine: Engine, second_daemon: PrivateEngine) -> None:
    second_daemon.start()
    second_daemon.leases.take("somebody-else")
    second_daemon.release()
    assert second_daemon.answer() is not None
    second_daemon.leases.drop("somebody-else")
    second_daemon.start()
    second_daemon.release()
    assert second_daemon.answer() is None
