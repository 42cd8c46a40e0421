"""The table of EXPOSE and `-p`, without an engine."""

from __future__ import annotations

import pytest

from helpers.errors import CourseError
from helpers.experiments.ports.measure import compare_publishing, set_expose
from helpers.experiments.ports.result import Attempt, Publishing
from helpers.experiments.ports.view import RENDERERS

RESULT = Publishing(
    5000,
    41149,
    (
        Attempt(False, False, "", True, True, False),
        Attempt(True, True, "127.0.0.1:41149->5000/tcp", True, True, True),
    ),
)


def test_facts_hide_the_host_port() -> None:
    facts = RESULT.facts()
    assert "127.0.0.1:HOST_PORT->5000/tcp" in facts and "41149" not in facts
    assert facts.splitlines()[1].split() == ["no", "no", "(nothing)", "yes", "yes", "no"]


def test_text_and_html_agree() -> None:
    bundle = RENDERERS[Publishing](RESULT)
    for words in ("127.0.0.1:41149-", "from another container", "Does the app answer?"):
        assert words in bundle["text/plain"] and words in bundle["text/html"]


def test_attempt_is_selected_by_combination() -> None:
    assert RESULT.attempt(has_expose=True, is_published=True).from_host


@pytest.mark.parametrize("line", ["EXPOSE 5000", "expose 80 443/udp", "  EXPOSE $PORT"])
def test_expose_is_removed_and_added(line: str) -> None:
    dockerfile = f'FROM x\n{line}\nCMD ["run"]\n'
    assert set_expose(dockerfile, None) == 'FROM x\nCMD ["run"]\n'
    assert set_expose(dockerfile, 8000) == 'FROM x\nCMD ["run"]\nEXPOSE 8000\n'


def test_missing_dockerfile_has_next_step(tmp_path: object) -> None:
    with pytest.raises(CourseError, match=r"(?s)There is no .*Dockerfile.*Run open_app"):
        compare_publishing(str(tmp_path))
