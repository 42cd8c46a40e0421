"""The Dockerfile reader: instructions as written, with their lines and stages."""

from __future__ import annotations

import pytest

from helpers.build.dockerfile import parse


def lines_of(text: str) -> list[tuple[str, int, int]]:
    return [(i.keyword, i.line, i.stage) for i in parse(text).instructions]


def test_instructions_have_lines_and_stages():
    text = "ARG A=1\nFROM x AS one\nRUN a\n\nFROM one\nCOPY --from=one /a /b\nCMD b\n"
    assert lines_of(text) == [
        ("ARG", 1, -1),
        ("FROM", 2, 0),
        ("RUN", 3, 0),
        ("FROM", 5, 1),
        ("COPY", 6, 1),
        ("CMD", 7, 1),
    ]
    parsed = parse(text)
    assert [start.line for start in parsed.stages] == [2, 5]
    assert (parsed.parent(0), parsed.parent(1)) == (None, 0)
    assert (parsed.starts_from_image(0), parsed.starts_from_image(1)) == (True, False)


def test_continuations_keep_their_text():
    text = "FROM x\nRUN a && \\\n  # why\n\n  b\nENV C=1\n"
    instructions = parse(text).instructions
    assert instructions[1].text == "RUN a && \\\n  # why\n\n  b"
    assert instructions[2].line == 6


@pytest.mark.parametrize(
    "run",
    [
        "RUN <<EOF\nFROM no\nEOF",
        "RUN <<'EOF'\nRUN no\nEOF",
        'RUN <<-"EOF"\n\tRUN no\n\tEOF',
        "RUN cat <<A > /a && cat <<B > /b\nCMD a\nA\nCMD b\nB",
        "COPY <<a.txt <<b.txt /x/\n1\na.txt\n2\nb.txt",
        "RUN python3 - <<E >/x\nprint(1 << 2)\nE",
        "RUN 3<<EOF cat\nCMD\nEOF",
    ],
)
def test_heredoc_bodies_belong_to_their_instruction(run: str):
    instructions = parse(f'FROM x\n{run}\nCMD ["end"]\n').instructions
    assert [i.keyword for i in instructions] == ["FROM", run.split()[0], "CMD"]
    assert instructions[1].text == run
    assert instructions[2].line == run.count("\n") + 3


@pytest.mark.parametrize("run", ["RUN cat <<<EOF", "RUN echo $((1<<2))", "ENV A=<<EOF"])
def test_text_that_resembles_a_heredoc(run: str):
    assert [i.keyword for i in parse(f"FROM x\n{run}\nCMD c\n").instructions][-1] == "CMD"


def test_unclosed_heredoc_takes_the_rest():
    assert lines_of("FROM x\nRUN <<EOF\nCMD c\n") == [("FROM", 1, 0), ("RUN", 2, 0)]


def test_escape_directive():
    text = "# escape=`\nFROM x\nRUN a `\n  b\nCOPY c:\\ d:\\\nCMD c\n"
    assert [i.keyword for i in parse(text).instructions] == ["FROM", "RUN", "COPY", "CMD"]


def test_escape_after_comment_is_ignored():
    text = "# note\n# escape=`\nFROM x\nRUN a \\\n  b\n"
    assert len(parse(text).instructions) == 2


def test_windows_line_ends_and_bom():
    assert lines_of("\ufeffFROM x\r\nRUN a \\\r\n b\r\nCMD c\r\n") == [
        ("FROM", 1, 0),
        ("RUN", 2, 0),
        ("CMD", 4, 0),
    ]


def test_lower_case_is_read_and_kept():
    dockerfile = parse("from X as Base\nrun a\n")
    assert [i.keyword for i in dockerfile.instructions] == ["FROM", "RUN"]
    assert dockerfile.instructions[1].text == "run a"
    assert dockerfile.find_stage("BASE") == 0


def test_stages_are_found_by_name_or_number():
    parsed = parse("FROM x AS one\nFROM 0 AS two\nFROM two\nFROM scratch\n")
    assert (parsed.find_stage("two"), parsed.find_stage("0"), parsed.find_stage("none")) == (
        1,
        0,
        None,
    )
    assert [parsed.parent(stage) for stage in range(4)] == [None, 0, 1, None]
    assert not parsed.starts_from_image(3)


def test_platform_flag_is_no_base():
    parsed = parse("FROM x AS a\nFROM --platform=linux/amd64 a AS y\n")
    assert parsed.parent(1) == 0 and parsed.find_stage("y") == 1


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment", "\\", "FROM", "<<EOF\n"])
def test_odd_files_do_not_raise(text: str):
    parse(text)


def test_line_lookup():
    read = parse("# c\nFROM x\nRUN a \\\n b\n")
    assert read.at_line(1) is None
    assert read.at_line(4).text.startswith("RUN")
