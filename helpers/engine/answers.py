"""Asking the small server, in a container or in a guest: the same question of both.

Standard library only. Knows nothing of what runs behind the port.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable

PAUSE_SECONDS = 0.002
ASK_SECONDS = 1.0


def ask(port: int, path: str = "/", seconds: float = 10) -> str:
    """The body of the answer at a port of 127.0.0.1; raises OSError without one."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode("utf-8", "replace")
    except http.client.HTTPException as error:
        raise OSError(f"port {port} answers, but not as a web server does") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise OSError(f"port {port} answered {answer.status} to {path}")
    return body


def first_answer(port: int, until: float, gone: Callable[[], bool] = lambda: False) -> float | None:
    """The moment, on `time.perf_counter`'s clock, when the server inside has answered once.

    None when it has not by `until`, or what was asked is `gone`.
    """
    while time.perf_counter() < until:
        try:
            ask(port, seconds=max(0.05, min(ASK_SECONDS, until - time.perf_counter())))
            return time.perf_counter()
        except OSError:
            if gone():
                return None
            time.sleep(PAUSE_SECONDS)
    return None


def about(text: str) -> dict[str, str]:
    """The name=value lines of the server's page about its surroundings."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name: value for name, _, value in pairs}
