"""Network access for what a test starts apart from the private engine: packet filter rules."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from helpers.engine.private import PrivateEngine, as_root
from helpers.paths import CHECKOUT


@contextmanager
def forward(device: str, subnet: str, env: Mapping[str, str]) -> Iterator[None]:
    """Let packets from `subnet`, behind `device`, reach the network outside."""
    rules = (
        ("nat", "POSTROUTING", "-s", subnet, "!", "-o", device, "-j", "MASQUERADE"),
        ("filter", "FORWARD", "-i", device, "-j", "ACCEPT"),
        ("filter", "FORWARD", "-o", device, "-j", "ACCEPT"),
    )

    def write(verb: str) -> None:
        for table, chain, *rule in rules:
            run_as_root(["iptables", "-w", "-t", table, verb, chain, *rule], env)

    write("--insert")
    try:
        yield
    finally:
        write("--delete")


def run_in_namespace(module: str, *args: str, timeout: float) -> str:
    """Run a module in its own network; return its output, or raise AssertionError."""
    with network_namespace(PrivateEngine().network.env) as prefix:
        return run_part(prefix, module, *args, timeout=timeout)


def run_part(
    prefix: list[str], module: str, *args: str, timeout: float, env: Mapping[str, str] | None = None
) -> str:
    """Run a module with the command prefix of a network namespace, as `run_in_namespace`."""
    completed = subprocess.run(
        [*prefix, sys.executable, "-m", module, *args],
        cwd=CHECKOUT,
        env=env or checkout_env(),
        text=True,
        capture_output=True,
        check=False,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


def checkout_env() -> dict[str, str]:
    """Return the environment of a process that imports the tests."""
    return {**os.environ, "PYTHONPATH": str(CHECKOUT)}


@contextmanager
def network_namespace(env: Mapping[str, str]) -> Iterator[list[str]]:
    """Yield a command prefix that runs a program in its own network, with a way out.

    Ports that it publishes do not meet those of the machine.
    """
    name, number = f"course-{os.getpid()}", os.getpid() % 16_000
    outside, inside = f"dcn{number}", f"dcm{number}"
    first = number * 4
    host, guest = (f"10.213.{(first + n) // 256}.{(first + n) % 256}" for n in (1, 2))

    def ip(*args: str) -> None:
        run_as_root(["ip", *args], env)

    ip("netns", "add", name)
    try:
        ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
        ip("address", "add", f"{host}/30", "dev", outside)
        ip("link", "set", outside, "up")
        ip("-n", name, "address", "add", f"{guest}/30", "dev", inside)
        ip("-n", name, "link", "set", inside, "up")
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "route", "add", "default", "via", host)
        with forward(outside, f"{guest}/32", env):
            user = ["-S", str(os.getuid()), "-G", str(os.getgid())] if as_root(env) else []
            yield [*as_root(env), "nsenter", f"--net=/run/netns/{name}", *user]
    finally:
        ip("netns", "delete", name)


def run_as_root(command: list[str], env: Mapping[str, str]) -> None:
    """Run a command of the network's administration. Raises CalledProcessError if it fails."""
    subprocess.run([*as_root(dict(env)), *command], env=dict(env), check=True)
