"""HTTP requests to a server that a cell has just started."""

from __future__ import annotations

import time
from contextlib import suppress
from urllib.parse import urlsplit

import docker
import requests
from docker.errors import DockerException

from helpers.errors import CourseError

PAUSE_SECONDS = 0.05


def fetch(url: str, *, timeout: float = 10, fails: bool = False) -> None:
    """GET a URL and print the status and the body; wait up to `timeout` seconds for an answer.

    With `fails`, no answer is what is expected: print that none came within `timeout` seconds.
    Raises CourseError if it ends otherwise, or with an error status.

    Example:
        %docker run -d --rm -p 5005:5000 my-flask-app
        fetch("http://127.0.0.1:5005/")
    """
    response = _first_response(url, timeout)
    if response is None:
        if not fails:
            raise CourseError(
                f"No answer from {url} within {timeout:g} s.",
                _describe_container(url) or "Look at `docker ps -a` and at the container's logs.",
            )
        print(f"no answer from {url}")
        return
    print(f"{response.status_code} {response.reason}\n{response.text.rstrip()}")
    if fails:
        raise CourseError(f"{url} answered, but no answer was expected.", "Remove fails=True.")
    if response.status_code >= 400:
        raise CourseError(f"{url} answered with an error status.", "Look at the container's logs.")


def time_until(url: str, text: str, *, timeout: float = 30) -> float:
    """GET a URL until the body contains `text`, and return the seconds which that took.

    Raises CourseError after `timeout` seconds.

    Example:
        edit_file("app.py", "Hello", "Good morning")
        time_until("http://127.0.0.1:5000/", "Good morning")
    """
    start = time.monotonic()
    while (left := start + timeout - time.monotonic()) > 0:
        response = _first_response(url, left)
        if response is not None and text in response.text:
            return time.monotonic() - start
        time.sleep(PAUSE_SECONDS)
    raise CourseError(
        f"No answer from {url} contained {text!r} within {timeout:g} s.",
        _describe_container(url) or "Look at the container's logs.",
    )


def _first_response(url: str, timeout: float) -> requests.Response | None:
    """Return the first response within `timeout` seconds, or None."""
    end = time.monotonic() + timeout
    while (left := end - time.monotonic()) > 0:
        try:
            return requests.get(url, timeout=max(left, 0.1))
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(PAUSE_SECONDS)
        except requests.RequestException as error:
            raise CourseError(
                f"Invalid URL {url!r}: {error}", "Example: http://127.0.0.1:5005/"
            ) from None
    return None


def _describe_container(url: str) -> str:
    """Return which container publishes the URL's port, its state and the end of its log, or ""."""
    port = str(urlsplit(url).port or 80)
    with suppress(DockerException, requests.RequestException):
        client = docker.from_env(timeout=10)
        containers = client.containers.list(all=True, ignore_removed=True)
        for container in sorted(containers, key=lambda each: each.status != "running"):
            bindings = container.attrs["HostConfig"]["PortBindings"] or {}
            if port not in [
                each["HostPort"] for ports in bindings.values() for each in ports or ()
            ]:
                continue
            state = f"is {container.status}"
            if container.status == "exited":
                state = f"has exited with code {container.attrs['State']['ExitCode']}"
            lines = container.logs(tail=20).decode(errors="replace").split("\n")
            last = next((line for line in reversed(lines) if line.strip()), "nothing")
            return (
                f"The container {container.name} publishes port {port} and {state}. "
                f"Its log ends with: {last.strip()[:200]}"
            )
    return ""
