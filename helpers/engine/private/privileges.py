"""Run commands and send signals as root: directly for root, with sudo for everybody else."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from helpers import process

# A container gets 10 s to stop, and dockerd waits 15 s for all of them.
STOP_SECONDS = 30


def as_root(env: Mapping[str, str] | None = None) -> list[str]:
    """Return the words to put before a command that needs root: none for root, otherwise sudo.

    sudo clears the environment: the variables of `env` that the engine's programs need are passed
    on. Without a terminal, sudo fails instead of asking for a password.
    """
    if os.geteuid() == 0:
        return []
    env = env or {}
    kept = [f"{k}={env[k]}" for k in ("PATH", "LD_LIBRARY_PATH", "XTABLES_LIBDIR") if k in env]
    no_prompt = [] if sys.stdin and sys.stdin.isatty() else ["-n"]
    return ["sudo", *no_prompt, "env", *kept]


def run_quietly(command: Sequence[str], env: Mapping[str, str] | None = None) -> bool:
    """Run a command as root without showing its output; return whether it succeeded."""
    try:
        return process.run([*as_root(env), *command], env=env).returncode == 0
    except OSError:
        return False


def kill(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that root owns; do nothing if it has exited."""
    if os.geteuid() == 0:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    else:
        run_quietly(["kill", f"-{number.value}", str(pid)])


def terminate(pid: int) -> None:
    """Terminate a process that root owns, and kill it if it does not exit."""
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5)):
        kill(pid, number)
        if process.wait_until(lambda: process.has_exited(pid), seconds):
            return
