"""Questions to the small server, in a container or in a guest: the same question for both.

`http.client` is used directly: its overhead is part of the measured time of the first answer.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable

PAUSE_SECONDS = 0.002
FETCH_SECONDS = 1.0
ABOUT_SECONDS = 60.0  # the page starts programs, perhaps on an emulated machine that is busy


def fetch(port: int, path: str = "/", timeout: float = 10) -> str:
    """Return the page at a port of 127.0.0.1. Raises OSError if there is no valid response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
    except http.client.HTTPException as error:
        raise OSError(f"The response from port {port} is not valid HTTP") from error
    finally:
        connection.close()
    if response.status != 200:
        raise OSError(f"port {port} returned status {response.status} for {path}")
    return body


def wait_for_answer(
    port: int, until: float, has_ended: Callable[[], bool] = lambda: False
) -> float | None:
    """Ask until the server answers; return that moment on `time.perf_counter`'s clock.

    Returns None if it has not answered by `until`, or once `has_ended` is true.
    """
    start = time.perf_counter()
    while time.perf_counter() < until:
        try:
            fetch(port, timeout=max(0.05, min(FETCH_SECONDS, until - time.perf_counter())))
            return time.perf_counter()
        except OSError:
            if has_ended():
                return None
            # Half a percent of the time so far: asking takes time from a machine that boots.
            time.sleep(max(PAUSE_SECONDS, 0.005 * (time.perf_counter() - start)))
    return None


def fetch_about(port: int) -> dict[str, str]:
    """Return what the server reports about its environment: kernel, boot_id, processes."""
    return parse_about(fetch(port, "/cgi-bin/about", ABOUT_SECONDS))


def parse_about(text: str) -> dict[str, str]:
    """Return the name=value lines of the server's page about its environment."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name: value for name, _, value in pairs}
