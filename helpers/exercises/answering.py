"""Does a container's app answer from outside? If not, why: observed, not guessed."""

from __future__ import annotations

import json
import time
from typing import Any

import requests

from helpers.errors import Mistake
from helpers.exercises.container import Container
from helpers.process import wait_until

PORT = 5000
ANSWER_SECONDS = 10.0
LOOK_SECONDS = 1.0  # between two looks into the container, which cost more than a request
ELSEWHERE = (
    "Either COPY writes to another folder than the WORKDIR in which CMD runs, or something is "
    "mounted over that folder and hides the file."
)
LOGGED_MISTAKES = (
    (
        "sh: 1: [",
        "json-quotes",
        "The list in CMD or ENTRYPOINT is not valid JSON, so Docker gave the whole line to a shell.",
        "Each string has straight double quotes. There is a comma between two strings, and none "
        "after the last.",
    ),
    (
        "Could not locate a Flask application",
        "app-not-found",
        "flask looks for app.py in the working directory, and it is not there.",
        ELSEWHERE,
    ),
    (
        "No module named 'app'",
        "app-not-found",
        "gunicorn looks for app.py in the working directory, and it is not there.",
        ELSEWHERE,
    ),
    (
        "No module named",
        "package-not-installed",
        "Python finds no module of this name: a package is not installed in this image, or CMD names "
        "a file that is not in the working directory.",
        "requirements.txt names the packages. A RUN installs them, and they must be in the stage that "
        "becomes the image.",
    ),
    (
        "can't open file",
        "app-not-found",
        "The file that CMD starts is not in the working directory.",
        ELSEWHERE,
    ),
    (
        "Read-only file system",
        "read-only",
        "The app can't write there: the mount, or the container's whole file system, is read-only.",
        "A mount is read-only with :ro or readonly, and a whole container with --read-only.",
    ),
    (
        "Is a directory",
        "mounted-on-file",
        "The app's file is a folder, because something is mounted there. A volume is a folder.",
        "Mount it on the folder that the file is in.",
    ),
    (
        "Permission denied",
        "permission-denied",
        "Process 1 may not open or run this file. That depends on who runs process 1, and on the "
        "owner and the permissions of the file.",
        "USER or --user sets who runs it, COPY --chown whose the file is. A .py file is normally not "
        "executable: CMD starts a program that reads it.",
    ),
)


def get(port: int, path: str = "/") -> requests.Response | None:
    """Return the response of the app on a port of this machine, or None if there is none."""
    try:
        return requests.get(f"http://127.0.0.1:{port}{path}", timeout=3)
    except requests.RequestException:
        return None


def expect_message(container: Container, word: str, hint: str) -> str:
    """Check that the app on port 5000 answers with `word`, and goes on running.

    Raises Mistake, with the hint, if another program answers.
    """
    body = read_json(container)
    if body.get("message") != word:
        raise Mistake(
            "another-program",
            f"Something answers, but not the app.py of this folder: {json.dumps(body)[:80]}",
            hint,
        )
    stays_up(container)
    return "GET / on port 5000: 200 OK"


def read_json(container: Container, port: int = PORT) -> dict[str, Any]:
    """Return the JSON with which a container's app answers, waiting until it is ready.

    `port` is the port in the container. Raises Mistake with what was observed if it does not.
    """
    response = _wait_for_answer(container, port)
    if response is None:
        raise explain_silence(container, port)
    if response.status_code >= 400:
        raise _explain_status(container, response)
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Mistake(
            "another-program",
            f"Something answers, but not this app: {response.text[:80]!r}",
            "Which program does the container start? `docker ps` shows it under COMMAND.",
        )
    return body


def _wait_for_answer(container: Container, port: int) -> requests.Response | None:
    """Return the first answer of a container's app, or None if nothing will answer."""
    end = time.monotonic() + ANSWER_SECONDS
    next_look = time.monotonic() + LOOK_SECONDS
    while time.monotonic() < end and container.is_running:
        host_port = container.host_port(port)
        if host_port is None:
            return None
        response = get(host_port)
        if response is not None:  # an error status counts as False
            return response
        if time.monotonic() > next_look:
            if _is_unreachable(container, port):
                return None
            next_look = time.monotonic() + LOOK_SECONDS
        time.sleep(0.1)
    return None


def _explain_status(container: Container, response: requests.Response) -> Mistake:
    """Return why the app answers with an error, from its log."""
    # The engine's log is a moment behind; flask prints the request's line last.
    wait_until(lambda: any("HTTP/1" in line for line in container.log(12)), 1)
    log = [line for line in container.log(12) if "HTTP/1" not in line]
    seen = (
        f"The app answers with {response.status_code} {response.reason}. Its log ends with: "
        f"{(log or ['nothing'])[-1]}"
    )
    return find_logged_mistake(log, seen) or Mistake(
        "error-status",
        seen,
        "The server runs, and the code behind this page fails. Read the log's last line.",
    )


def stays_up(container: Container, port: int = PORT) -> None:
    """Raise Mistake if the app no longer answers a moment later."""
    time.sleep(1)  # a server can end a moment after it started
    host_port = container.host_port(port)
    if not container.is_running or host_port is None or get(host_port) is None:
        raise explain_silence(container, port)


def find_logged_mistake(log: list[str], seen: str) -> Mistake | None:
    """Return the mistake that a program's log shows, or None."""
    for text, name, *hints in LOGGED_MISTAKES:
        if line := next((line for line in log if text in line), ""):
            return Mistake(
                name, seen if line in seen else f"{seen} Its log also says: {line}", *hints
            )
    return None


def _is_unreachable(container: Container, port: int) -> bool:
    """Return whether a server is ready in the container, but not for requests from outside."""
    listening = container.listening()
    return bool(listening) and listening.get(port) is not False


def explain_silence(container: Container, port: int = PORT) -> Mistake:
    """Return why nothing answers: what runs in the container, and where it listens."""
    state = container.inspect()["State"]
    log = container.log()
    last = f" It printed: {' / '.join(log)}" if log else " It printed nothing."
    if not state["Running"]:
        return _explain_end(state, container.log(40), last)
    listening = container.listening()
    if listening.get(port):
        return Mistake(
            "listens-on-loopback",
            f"In the container, the app listens on 127.0.0.1:{port}.",
            "Only programs in the same container can reach 127.0.0.1 there: each container has its "
            "own loopback interface, so nothing outside gets an answer.",
            "The server must listen on all of the container's addresses. flask run and gunicorn each "
            "have an option for the address.",
        )
    if port in listening:
        return Mistake(
            "not-reachable",
            f"The app listens on port {port} of the container, but a request from outside gets no "
            "answer.",
            "Is the port published for TCP, and is the container on a network that leads to the "
            "host? The app must also answer plain HTTP.",
        )
    if listening:
        ports = ", ".join(map(str, listening))
        return Mistake(
            "other-port",
            f"In the container, the app listens on port {ports}, not on {port}.",
            f"Requests are sent to port {port} of the container, and nothing listens there.",
            "flask run uses port 5000, and gunicorn 127.0.0.1:8000, unless an option says otherwise. "
            "EXPOSE and -p don't change where the app listens.",
        )
    return Mistake(
        "nothing-listens",
        f"No program in the container listens on a port.{last}",
        "Does the container start the server at all? If it does, its output says why the server does "
        "not get ready. A restart policy starts a failed server again and again.",
    )


def _explain_end(state: dict[str, Any], log: list[str], last: str) -> Mistake:
    """Return why a container is not running."""
    code = state["ExitCode"]
    if state["OOMKilled"]:
        return Mistake(
            "out-of-memory",
            f"The container was killed because it used more memory than it may (exit code {code}).",
            "The exercise gives a container 512 MiB, far more than this app needs.",
        )
    seen = f"The container ended with exit code {code}.{last}"
    if logged := find_logged_mistake(log, seen):
        return logged
    if code == 137:
        return Mistake(
            "killed",
            seen,
            "137 is 128 + 9, and signal 9 is SIGKILL. The exercise kills a container that runs too long "
            "or writes too much.",
        )
    if code == 0:
        return Mistake(
            "ends-at-once",
            seen,
            "A container runs as long as its first program. This one had nothing more to do.",
            "The first program must be the server. `python app.py` only defines the app, and ends. "
            "CMD or ENTRYPOINT says what starts, unless words after the image's name, or command:, "
            "replace it.",
        )
    return Mistake(
        "program-fails",
        seen,
        "A container runs as long as its first program, and this one failed. Its last lines say "
        "why.",
    )
