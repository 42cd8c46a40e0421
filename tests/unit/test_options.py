"""docker's options as %docker and exercises read them."""

from __future__ import annotations

import pytest

from helpers.errors import CourseError
from helpers.magic.options import BUILD, COMPOSE, RUN, RunCommand, parse_run


def parse(text: str) -> RunCommand:
    return parse_run(text.split())


def test_options_have_their_long_names():
    parsed = parse("docker run -dit --rm -p80:80 -p 81:81 --net=own -e A=1 -w /x nginx:1 ls -d -p")
    assert parsed.options == {
        "--detach": ["true"],
        "--interactive": ["true"],
        "--tty": ["true"],
        "--rm": ["true"],
        "--publish": ["80:80", "81:81"],
        "--network": ["own"],
        "--env": ["A=1"],
        "--workdir": ["/x"],
    }
    assert (parsed.image, parsed.command, parsed.unknown) == ("nginx:1", ("ls", "-d", "-p"), ())


@pytest.mark.parametrize(
    "text",
    [
        "docker run --name web x ls",
        "docker --debug -H tcp://a:1 container run --name=web x ls",
        "create --name web -- x ls",
        "docker container create --name web x ls",
    ],
)
def test_all_spellings_of_the_command(text: str):
    assert parse(text) == RunCommand({"--name": ["web"]}, "x", ("ls",), ())


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("run -d=false x", "--detach", ["false"]),
        ("run --tty=true x", "--tty", ["true"]),
        ("run -p=1:1 x", "--publish", ["1:1"]),
        ("run -tp 1:1 x", "--publish", ["1:1"]),
        ("run -v a:/b --volume=c:/d x", "--volume", ["a:/b", "c:/d"]),
        ("run -e -it x", "--env", ["-it"]),
        ("run --entrypoint= x", "--entrypoint", [""]),
        ("run -m 64m --memory 1g x", "--memory", ["64m", "1g"]),
    ],
)
def test_values(text: str, name: str, values: list[str]):
    parsed = parse(text)
    assert parsed.options[name] == values
    assert (parsed.image, parsed.unknown) == ("x", ())


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("run --detatch x", ("--detatch",)),
        ("run -dz --prot=80 x", ("-z", "--prot")),
        ("run x --not-dockers", ()),
    ],
)
def test_unknown_options_are_named(text: str, unknown: tuple[str, ...]):
    assert (parse(text).unknown, parse(text).image) == (unknown, "x")


@pytest.mark.parametrize(
    "text", ["", "docker", "docker ps", "docker build .", "docker run", "run -d"]
)
def test_other_commands_are_one_message(text: str):
    with pytest.raises(CourseError) as caught:
        parse(text)
    assert "\n" not in caught.value.message and caught.value.hint


def test_build_options_may_follow_the_folder():
    parsed = BUILD.parse(
        ["app", "-t", "x", "--no-cache", "-f", "other", "--build-arg", "A=1", "--build-arg", "B=2"],
        mixed=True,
    )
    assert parsed.words == ("app",) and parsed.first == 0
    assert parsed.values("--build-arg") == ["A=1", "B=2"]
    assert parsed.is_on("--no-cache") and not parsed.is_on("--pull")
    assert (parsed.last("--file"), parsed.last("--tag"), parsed.last("--target")) == (
        "other",
        "x",
        "",
    )


def test_last_value_counts():
    assert not RUN.parse(["-d", "--detach=false", "x"]).is_on("--detach")
    assert COMPOSE.parse(["-p", "a", "-p", "b", "up"]).last("--project-name") == "b"
