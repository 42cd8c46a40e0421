"""The working folder of a chapter, one-line edits, and HTTP requests from a cell."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.errors import CourseError
from helpers.notebook import files
from helpers.notebook.http import fetch


@pytest.fixture
def notebook_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    app = tmp_path / "apps" / "web"
    app.mkdir(parents=True)
    (app / "app.py").write_text("one\ntwo\nthree\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "_start", None)
    return tmp_path


def test_app_is_copied_and_entered(
    notebook_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files.open_app("web")
    assert Path.cwd() == notebook_folder / "scratch" / "web"
    assert capsys.readouterr().out == "working folder: scratch/web\nfiles: app.py\n"


def test_second_copy_is_fresh_and_keeps_first(notebook_folder: Path) -> None:
    files.open_app("web")
    Path("app.py").write_text("mine")
    files.open_app("web")
    assert Path("app.py").read_text() == "one\ntwo\nthree\n"
    previous = notebook_folder / "scratch" / "previous" / "web" / "app.py"
    assert previous.read_text() == "mine"


@pytest.mark.parametrize("name", ["nope", ""])
def test_unknown_app_names_the_apps(notebook_folder: Path, name: str) -> None:
    with pytest.raises(CourseError, match="no app") as error:
        files.open_app(name)
    assert "web" in str(error.value)


def test_edit_prints_the_changed_lines(
    notebook_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files.open_app("web")
    capsys.readouterr()
    files.edit_file("app.py", "two", "2\n2½")
    assert capsys.readouterr().out == "app.py\n- two\n+ 2\n+ 2½\n"
    files.edit_file("app.py", "two", "2\n2½")
    assert "already contains" in capsys.readouterr().out


@pytest.mark.parametrize(("path", "old"), [("app.py", "four"), ("gone.py", "two")])
def test_impossible_edit_is_one_message(notebook_folder: Path, path: str, old: str) -> None:
    files.open_app("web")
    with pytest.raises(CourseError, match=path):
        files.edit_file(path, old, "new")


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 500)
            self.end_headers()
            self.wfile.write(b"hello\n")

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def test_answer_is_printed(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    fetch(f"{server}/")
    assert capsys.readouterr().out == "200 OK\nhello\n"


def test_error_status_raises(server: str) -> None:
    with pytest.raises(CourseError, match="error status"):
        fetch(f"{server}/broken")


def test_unexpected_answer_raises(server: str) -> None:
    with pytest.raises(CourseError, match="no answer was expected"):
        fetch(f"{server}/", fails=True)


def test_no_answer_is_printed_or_raised(capsys: pytest.CaptureFixture[str]) -> None:
    url = "http://127.0.0.1:1/"
    fetch(url, timeout=0.2, fails=True)
    assert capsys.readouterr().out == f"no answer from {url}\n"
    with pytest.raises(CourseError, match="No answer"):
        fetch(url, timeout=0.2)


def test_invalid_url_is_one_message() -> None:
    with pytest.raises(CourseError, match="Invalid URL"):
        fetch("5005", timeout=1)
