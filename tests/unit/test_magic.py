"""How `%docker` parses and runs command lines: words, options, labels, ports, refusals."""

from __future__ import annotations

import sys

import pytest

from helpers.engine.engine import Engine
from helpers.engine.labels import labels
from helpers.errors import CourseError, DockerCommandFailed
from helpers.magic import child
from helpers.magic.execute import judge, why_again
from helpers.magic.parse import Options, magic_options, plan, plans
from helpers.magic.words import split_commands

LABELS = [f"--label={name}={value}" for name, value in labels().items()]
PRIVATE = Engine("unix:///nowhere.sock", "private", "26")
USER = Engine("unix:///nowhere.sock", "user", "26")


def words(text, **env):
    return [list(command.words) for command in split_commands(text, env, "/my work")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ps -a", ["ps", "-a"]),
        ("run 'a b' \"c d\" e\\ f", ["run", "a b", "c d", "e f"]),
        ("ps --format '{{.ID}} $HOME'", ["ps", "--format", "{{.ID}} $HOME"]),
        ("ps --format {{.ID}}", ["ps", "--format", "{{.ID}}"]),
        ('ps --format "{{.ID}}\\t{{.Names}}"', ["ps", "--format", "{{.ID}}\\t{{.Names}}"]),
        ("run -e A=$V -e B=${V}x", ["run", "-e", "A=1 2", "-e", "B=1 2x"]),
        ('-v "$(pwd)":/app', ["-v", "/my work:/app"]),
        ('-v "$PWD/x:/app"', ["-v", "/my work/x:/app"]),
        ('-v "`pwd`:/app"', ["-v", "/my work:/app"]),
        ("-e 'A=$(pwd)'", ["-e", "A=$(pwd)"]),
        ("run x sh -c 'a | b > c && d; e'", ["run", "x", "sh", "-c", "a | b > c && d; e"]),
        ("run x \\$V \"\\$V\" ''", ["run", "x", "$V", "$V", ""]),
        ("ps # all of them", ["ps"]),
        ("ps a#b", ["ps", "a#b"]),
        ("run -e $NONE x", ["run", "-e", "x"]),
        ("run $ x", ["run", "$", "x"]),
    ],
)
def test_words_split_like_a_shell(text, expected):
    if text.startswith("run -e A=$V"):
        text = text.replace("A=$V", 'A="$V"').replace("B=${V}x", '"B=${V}x"')
    assert words(text, V="1 2") == [expected]


def test_unquoted_expansion_is_split():
    assert words("run $V-x", V="a b") == [["run", "a", "b-x"]]


def test_tilde_expands_to_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert words("-v ~/data:/d '~' a~") == [["-v", "/home/me/data:/d", "~", "a~"]]


@pytest.mark.parametrize(
    "text",
    [
        "ps | grep x",
        "ps > f",
        "run x < f",
        "ps && ps",
        "ps; ps",
        "run x &",
        "rm $(docker ps -q)",
        "rm `docker ps -q`",
        'rm "$(docker ps -q)"',
        "run ${A:-b}",
        "run 'x",
        'run "x',
    ],
)
def test_shell_syntax_is_refused(text):
    with pytest.raises(CourseError) as caught:
        words(text)
    assert "\n" not in caught.value.message
    assert "terminal" in str(caught.value) or "quote" in str(caught.value)


def test_body_is_split_into_commands():
    body = "\n# first\ndocker build \\\n  -t x . \n\n  run x 'two\nlines'\n  # end\nps\n"
    commands = split_commands(body, {}, "/")
    assert [command.words for command in commands] == [
        ("docker", "build", "-t", "x", "."),
        ("run", "x", "two\nlines"),
        ("ps",),
    ]
    assert commands[0].typed == "docker build -t x ."


def test_magic_options():
    options, rest = magic_options(("docker", "--until", "Running on", "--for=5", "docker", "run"))
    assert (options.until, options.seconds, options.fails, rest) == (
        "Running on",
        5,
        False,
        ("run",),
    )
    assert magic_options(("--fails", "rm", "--until"))[1] == ("rm", "--until")


@pytest.mark.parametrize(
    "given",
    [
        ("--for", "soon"),
        ("--for",),
        ("--for", "-1"),
        ("--for", "nan"),
        ("--until",),
        ("--fails", "--until", "x", "ps"),
    ],
)
def test_bad_magic_options(given):
    with pytest.raises(CourseError):
        magic_options(given)


@pytest.mark.parametrize(
    "line",
    [
        "build -t x .",
        "run x python --help",
        "buildx build -t x .",
        "image build .",
        "run x",
        "create x",
        "container run --rm x",
        "container create x",
        "volume create v",
        "network create n",
        "secret create s file",
        "config create c file",
        "--debug run x",
        "docker run x",
        "docker --log-level error build .",
    ],
)
def test_labels_follow_the_subcommand(line):
    result = plan(line, PRIVATE)
    index = result.args.index(LABELS[0])
    assert result.args[index + 1] == LABELS[1]
    assert result.args[index - 1] in ("build", "run", "create")
    typed = tuple(line.removeprefix("docker ").split())
    assert result.args[:index] + result.args[index + 2 :] == typed


@pytest.mark.parametrize(
    "line",
    [
        "ps",
        "rm build",
        "image ls",
        "exec web run",
        "logs -f run",
        "volume rm create",
        "container ls",
        "compose ps",
        "run --help",
        "compose down -v",
        "--version",
        "tag a b",
        "load -i file.tar",
        "buildx create",
        "swarm init",
        "volume create --help",
    ],
)
def test_commands_that_create_nothing_are_unlabelled(line):
    result = plan(line, PRIVATE)
    assert result.args == tuple(line.split())


@pytest.mark.parametrize(
    ("line", "forms"),
    [
        ("service create x", ["--label={}", "--container-label={}"]),
        ("import f.tar x", ["--change=LABEL {}"]),
        ("image import f.tar x", ["--change=LABEL {}"]),
        ("container commit web x", ["--change=LABEL {}"]),
    ],
)
def test_other_ways_to_label(line, forms):
    pairs = [label.removeprefix("--label=") for label in LABELS]
    args = plan(line, PRIVATE).args
    expected = [form.format(pair) for form in forms for pair in pairs]
    assert [word for word in args if word not in line.split()] == expected
    assert args[-1] == "x"


@pytest.mark.parametrize(
    "line",
    [
        "run -it x",
        "run -i x",
        "run --rm -ti --name t x bash",
        "exec -it web bash",
        "exec -t web ls",
        "container exec -i web sh",
        "run --interactive --tty x",
        "start -ai web",
        "compose exec -it web sh",
        "compose run --rm -it web sh",
    ],
)
def test_terminal_session_is_refused(line):
    with pytest.raises(CourseError, match="File > New > Terminal"):
        plan(line, PRIVATE)


@pytest.mark.parametrize(
    "line",
    [
        "run -dit x",
        "run -d -it x",
        "run --name t x ls -it",
        "exec web ls -it",
        "run -e -it x",
        "start -a web",
        "create -it x",
        "build -t x .",
        "run --tty=false x",
    ],
)
def test_similar_options_are_not_refused(line):
    plan(line, PRIVATE)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("-p 5005:5000", "-p 127.0.0.1:5005:5000"),
        ("-p5005:5000", "-p127.0.0.1:5005:5000"),
        ("--publish=5005:5000/udp", "--publish=127.0.0.1:5005:5000/udp"),
        ("--publish 5000", "--publish 127.0.0.1::5000"),
        ("-dp 80:80", "-dp 127.0.0.1:80:80"),
        ("-p 0.0.0.0:1:1", "-p 0.0.0.0:1:1"),
        ("-p :5000", "-p 127.0.0.1::5000"),
        ("-p published=5005,target=5000", "-p 127.0.0.1:5005:5000/tcp"),
        ("--publish=target=5000,protocol=udp", "--publish=127.0.0.1::5000/udp"),
        ("-p [::1]:1:1", "-p [::1]:1:1"),
        ("-p 8000-8002:80-82", "-p 127.0.0.1:8000-8002:80-82"),
    ],
)
def test_user_engine_publishes_on_loopback(given, expected):
    tail = " --name t x cmd -p 1:1"
    assert " ".join(plan(f"run {given}{tail}", USER).args).endswith(f"{expected}{tail}")
    assert plan(f"run {given}{tail}", USER).is_rewritten == (given != expected)
    assert " ".join(plan(f"run {given}{tail}", PRIVATE).args).endswith(f"{given}{tail}")


def test_build_inputs():
    parsed = plan("build app -t x -f other --tag y", USER).parsed
    assert (parsed.last("--file"), parsed.values("--tag")) == ("other", ["x", "y"])
    assert plan("buildx b --no-cache -t x app", USER).parsed.words == ("app",)


def test_image_is_that_of_a_container():
    assert plan("volume create python:3.13-slim", PRIVATE).image == ""
    assert plan("container create x y", PRIVATE).image == "x"
    assert plan("exec x ls", PRIVATE).image == ""


def test_foreground_run_is_detected():
    assert plan("run --rm x", PRIVATE).is_foreground_run
    assert not plan("run -d x", PRIVATE).is_foreground_run
    assert plan("run --cidfile f x sleep -d", PRIVATE).parsed.last("--cidfile") == "f"


def test_compose_options_are_separated():
    result = plan("--debug compose -f a/b.yaml -p n --profile q up -d --build", PRIVATE)
    assert (result.command, result.args[result.at :]) == ("compose up", ("up", "-d", "--build"))
    assert result.args[: result.at - result.project.first] == ("--debug", "compose")
    names = [(option.name, option.value) for option in result.project.options]
    assert names == [("--file", "a/b.yaml"), ("--project-name", "n"), ("--profile", "q")]


def test_empty_command_is_refused():
    with pytest.raises(CourseError):
        plan("", PRIVATE)
    with pytest.raises(CourseError):
        plan("docker --fails", PRIVATE)
    assert plans("# only\n\n", PRIVATE) == []


def run_python(code, **options):
    limits = {key: options.pop(key) for key in ("until", "seconds") if key in options}
    return child.stream(child.Command([sys.executable, "-uc", code], **options), {}, **limits)


def test_output_is_merged_in_order(capsys):
    code = (
        "import os,time\nos.write(1,b'a\\xc3');time.sleep(.2);os.write(1,b'\\xa9\\n')\n"
        "os.write(2,b'b\\n');os.write(1,b'c\\n');raise SystemExit(4)"
    )
    assert run_python(code) == child.Ended("exit", 4, printed=True)
    assert capsys.readouterr().out == "aé\nb\nc\n"


def test_until_finds_split_text(capsys):
    code = "import os,time\nfor x in (b'rea',b'dy',b'later'):os.write(1,x);time.sleep(.3)"
    assert run_python(code + "\ntime.sleep(60)", until="ready").why == "text"
    assert "later" not in capsys.readouterr().out


def test_child_that_ignores_signals_is_killed():
    code = (
        "import signal,time\nsignal.signal(2,signal.SIG_IGN);signal.signal(15,signal.SIG_IGN)"
        "\nprint('on')\ntime.sleep(60)"
    )
    calls = []
    ended = run_python(code, until="on", grace_seconds=0.2, stop_early=lambda: calls.append(1))
    assert (ended.why, ended.code, calls) == ("text", -9, [1])


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("print('no such image'); raise SystemExit(1)", "See its output above."),
        ("print(); raise SystemExit(1)", "It printed nothing."),
    ],
)
def test_failure_mentions_output_only_if_any(code, hint):
    ended = run_python(code)
    with pytest.raises(DockerCommandFailed) as caught:
        judge(plan("pull x", PRIVATE), ended, Options(), PRIVATE)
    assert caught.value.message == "The command exited with code 1: docker pull x"
    assert caught.value.hint == hint


LOST = 'failed to prepare extraction snapshot "extract-1 sha256:a": parent snapshot does not exist'
REMOVED = "Error response from daemon: layer not found"


@pytest.mark.parametrize(
    ("line", "code", "tail", "is_again"),
    [
        ("build -t app .", 1, f"ERROR: failed to build: {LOST}: not found", True),
        ("build -t app .", 1, "ERROR: failed to build: exit code: 3", False),
        ("build -t app .", 0, LOST, False),
        ("compose up --build", 1, f"target web: failed to solve: {LOST}", True),
        ("run app", 1, LOST, False),
        ("system df", 1, REMOVED, True),
        ("run app", 1, REMOVED, False),
    ],
)
def test_what_the_engine_removed_meanwhile_is_tried_again(line, code, tail, is_again):
    ended = child.Ended("exit", code, printed=True, tail=tail)
    assert bool(why_again(plan(line, PRIVATE), ended)) is is_again
