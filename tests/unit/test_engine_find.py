"""An engine that can't be used is reported in one message. A small server plays the engine."""

from __future__ import annotations

import json
import os
import platform
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
from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine
from helpers.errors import EngineUnavailable
from helpers.setup import packages


@pytest.fixture
def socket_path() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="dc-", dir="/tmp"))  # the path of a socket must be short
    yield folder / "s"
    shutil.rmtree(folder)


def play_engine(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    component: str = "Engine",
    builder: str = "2",
) -> None:
    """Answer like an engine of this version at `path`, and set DOCKER_HOST to it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(
                {"Version": version, "ApiVersion": "1.41", "Components": [{"Name": component}]}
            ).encode()
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


def test_old_engine_is_rejected(socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    play_engine(socket_path, monkeypatch, "20.10.24")
    with pytest.raises(EngineUnavailable, match=r"is version 20\.10\.24; the course needs 23"):
        find.connect()


@pytest.mark.parametrize("properties", [{"component": "Podman Engine"}, {"builder": "1"}])
def test_engine_without_buildkit_is_rejected(
    properties: dict[str, str], socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_engine(socket_path, monkeypatch, "26.1.5", **properties)
    with pytest.raises(EngineUnavailable, match="has no BuildKit") as caught:
        find.connect()
    assert caught.value.hint


def test_no_engine_is_one_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(find, "_candidates", lambda: iter(()))
    monkeypatch.setattr(find, "_has_systemd_unit", lambda: False)
    reason = "The course can start its own only on Linux."
    monkeypatch.setattr(PrivateEngine, "unavailable_reason", lambda self: reason)
    monkeypatch.setattr(find, "connect", find.connect.__wrapped__)
    assert main(["engine", "start"]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"No Docker Engine is running. {reason}\n→ ")
    assert len(message.splitlines()) == 2


def test_denied_socket_names_docker_group(
    socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play_engine(socket_path, monkeypatch, "28.5.2")
    socket_path.chmod(0)
    user = os.geteuid()
    os.seteuid(user or 65534)  # root may use every socket
    try:
        with pytest.raises(EngineUnavailable, match="Permission denied on the Docker socket") as e:
            find.connect()
    finally:
        os.seteuid(user)
    assert "usermod -aG docker" in e.value.hint


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "tcp://host:port"])
def test_unusable_address_is_one_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(EngineUnavailable, match="no engine answers there"):
        find.find_user_engine()


@pytest.mark.parametrize("address", ["ssh://me@host", "x"])
def test_unsupported_address_is_one_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(EngineUnavailable, match="only unix:// and tcp://"):
        find.find_user_engine()


@pytest.mark.parametrize(
    ("system", "release", "command"),
    [
        ("Linux", {"ID": "ubuntu", "VERSION_CODENAME": "noble"}, "docker-compose-v2"),
        ("Linux", {"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "docker-compose-v2"),
        ("Linux", {"ID": "debian", "VERSION_CODENAME": "trixie"}, "docker-cli"),
        ("Linux", {"ID": "debian", "VERSION_CODENAME": "bookworm"}, "docs.docker.com"),
        ("Linux", {"ID": "fedora"}, "sudo dnf install"),
        ("Linux", {"ID": "arch"}, "sudo pacman -S"),
        ("Darwin", {}, "Docker Desktop"),
    ],
)
def test_install_hint_per_system(
    system: str, release: dict[str, str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: release)
    assert command in find.install_hint()


def test_private_engine_without_apt_get(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(packages, "os_codename", lambda: "bookworm")
    monkeypatch.setenv("PATH", "/nowhere")
    reason = PrivateEngine().unavailable_reason()
    assert reason == "The course can start its own only if apt-get is on the PATH."


def test_course_client_starts_plugins_directly() -> None:
    own = Engine("unix:///nowhere", "private", "28", "/x/docker", {"DOCKER_CONFIG": "/x/config"})
    assert own.command("compose", "ps") == ["/x/config/cli-plugins/docker-compose", "ps"]
    assert own.command("run", "compose") == ["/x/docker", "run", "compose"]
    user = Engine("unix:///nowhere", "user", "28")
    assert user.command("compose", "ps") == ["docker", "compose", "ps"]
