"""HTTP requests to a server that a cell has just started."""

from __future__ import annotations

import time

import requests

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
                "Look at `docker ps -a` and at the container's logs.",
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
        "Look at the container's logs.",
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
