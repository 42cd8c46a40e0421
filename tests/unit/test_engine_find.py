"""An engine that cannot be used is told in one message; played by a small server on a socket."""

from __future__ import annotations

import json
import shutil
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from helpers.cli import main
from helpers.engine import find
from helpers.engine.private import PrivateEngine
from helpers.errors import EngineUnavailable


@pytest.fixture
def socket_path() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="dc-", dir="/tmp"))      # a socket's path is short
    yield folder / "s"
    shutil.rmtree(folder)


def played(path: Path, monkeypatch: pytest.MonkeyPatch, version: str, component: str = "Engine",
           builder: str = "2") -> None:
    """An engine of this version answers at `path`, and DOCKER_HOST names it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"Version": version, "ApiVersion": "1.41",
                               "Components": [{"Name": component}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Builder-Version", builder)
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "test"

        def log_message(self, *_: object) -> None:
            pass

    server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(find, "connect", find.connect.__wrapped__)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")


def test_an_old_engine_is_refused_naming_both_versions(
        socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played(socket_path, monkeypatch, "20.10.24")
    with pytest.raises(EngineUnavailable, match=r"is version 20\.10\.24; the course needs 23"):
        find.connect()


@pytest.mark.parametrize("how", [{"component": "Podman Engine"}, {"builder": "1"}])
def test_an_engine_without_buildkit_is_refused(
        how: dict[str, str], socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    played(socket_path, monkeypatch, "26.1.5", **how)
    with pytest.raises(EngineUnavailable, match="has no BuildKit") as caught:
        find.connect()
    assert caught.value.hint


def test_no_engine_and_none_to_be_had_is_one_message_and_exit_code_2(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(find, "_candidates", lambda: iter(()))
    monkeypatch.setattr(find, "_unit_exists", lambda: False)
    monkeypatch.setattr(PrivateEngine, "refusal", lambda self: "a private engine needs Linux")
    monkeypatch.setattr(find, "connect", find.connect.__wrapped__)
    assert main(["engine", "start"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("No Docker Engine answers, and a private engine needs Linux.\n→ ")
    assert len(said.splitlines()) == 2
