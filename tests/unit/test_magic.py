"""The magic's reading of command lines: words, own options, labels, ports, refusals."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from helpers.engine.engine import Engine
from helpers.engine.owner import labels
from helpers.errors import CourseError
from helpers.magic import child
from helpers.magic.parse import own_options, plan, plans
from helpers.magic.words import split_commands

LABELS = [f"--label={name}={value}" for name, value in labels().items()]
PRIVATE = Engine("unix:///nowhere.sock", "private", "26")
OWN = Engine("unix:///nowhere.sock", "own", "26")


def words(text, **env):
    return [list(each.words) for each in split_commands(text, env, "/my work")]


@pytest.mark.parametrize(("text", "expected"), [
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
])
def test_words_are_those_of_a_shell(text, expected):
    if text.startswith("run -e A=$V"):
        text = text.replace("A=$V", 'A="$V"').replace("B=${V}x", '"B=${V}x"')
    assert words(text, V="1 2") == [expected]


def test_an_unquoted_expansion_is_split():
    assert words("run $V-x", V="a b") == [["run", "a", "b-x"]]


def test_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("USERPROFILE", "/home/me")
    assert words("-v ~/data:/d '~' a~") == [["-v", "/home/me/data:/d", "~", "a~"]]


@pytest.mark.parametrize("text", ["ps | grep x", "ps > f", "run x < f", "ps && ps", "ps; ps",
                                  "run x &", "rm $(docker ps -q)", "rm `docker ps -q`",
                                  'rm "$(docker ps -q)"', "run ${A:-b}", "run 'x", 'run "x'])
def test_what_needs_a_shell_is_refused_in_one_line(text):
    with pytest.raises(CourseError) as caught:
        words(text)
    assert "\n" not in caught.value.message
    assert "terminal" in str(caught.value) or "quote" in str(caught.value)


def test_a_body_is_split_into_commands():
    body = "\n# first\ndocker build \\\n  -t x . \n\n  run x 'two\nlines'\n  # end\nps\n"
    found = split_commands(body, {}, "/")
    assert [each.words for each in found] == [
        ("docker", "build", "-t", "x", "."), ("run", "x", "two\nlines"), ("ps",)]
    assert found[0].typed == "docker build -t x ."


def test_own_options():
    options, rest = own_options(("docker", "--until", "Running on", "--for=5", "docker", "run"))
    assert (options.until, options.seconds, options.fails, rest) == ("Running on", 5, False,
                                                                     ("run",))
    assert own_options(("--fails", "rm", "--until"))[1] == ("rm", "--until")


@pytest.mark.parametrize("given", [("--for", "soon"), ("--for",), ("--for", "-1"), ("--for", "nan"),
                                   ("--until",), ("--fails", "--until", "x", "ps")])
def test_bad_own_options(given):
    with pytest.raises(CourseError):
        own_options(given)


@pytest.mark.parametrize("line", [
    "build -t x .", "buildx build -t x .", "image build .", "run x", "create x",
    "container run --rm x", "container create x", "volume create v", "network create n",
    "--debug run x", "docker run x", "docker --log-level error build ."])
def test_the_labels_stand_after_the_subcommand(line):
    found = plan(line, PRIVATE)
    at = found.args.index(LABELS[0])
    assert found.args[at + 1] == LABELS[1]
    assert found.args[at - 1] in ("build", "run", "create")
    assert found.labelled
    typed = tuple(line.removeprefix("docker ").split())
    assert found.args[:at] + found.args[at + 2:] == typed


@pytest.mark.parametrize("line", ["ps", "rm build", "image ls", "exec web run", "logs -f run",
                                  "volume rm create", "container ls", "compose ps", "run --help",
                                  "compose down -v", "--version"])
def test_what_creates_nothing_has_no_label(line):
    found = plan(line, PRIVATE)
    assert not found.labelled
    assert found.args == tuple(line.split())


@pytest.mark.parametrize("line", [
    "run -it x", "run -i x", "run --rm -ti --name t x bash", "exec -it web bash", "exec -t web ls",
    "container exec -i web sh", "run --interactive --tty x", "start -ai web",
    "compose exec -it web sh", "compose run --rm -it web sh"])
def test_a_terminal_session_points_to_a_terminal(line):
    with pytest.raises(CourseError, match="File > New > Terminal"):
        plan(line, PRIVATE)


@pytest.mark.parametrize("line", ["run -dit x", "run -d -it x", "run --name t x ls -it",
                                  "exec web ls -it", "run -e -it x", "start -a web",
                                  "create -it x", "build -t x .", "run --tty=false x"])
def test_what_only_looks_like_a_terminal_session(line):
    plan(line, PRIVATE)


@pytest.mark.parametrize(("given", "expected"), [
    ("-p 5005:5000", "-p 127.0.0.1:5005:5000"), ("-p5005:5000", "-p127.0.0.1:5005:5000"),
    ("--publish=5005:5000/udp", "--publish=127.0.0.1:5005:5000/udp"),
    ("--publish 5000", "--publish 127.0.0.1::5000"),
    ("-dp 80:80", "-dp 127.0.0.1:80:80"), ("-p 0.0.0.0:1:1", "-p 0.0.0.0:1:1"),
    ("-p :5000", "-p 127.0.0.1::5000"),
    ("-p published=5005,target=5000", "-p 127.0.0.1:5005:5000/tcp"),
    ("--publish=target=5000,protocol=udp", "--publish=127.0.0.1::5000/udp"),
    ("-p [::1]:1:1", "-p [::1]:1:1"), ("-p 8000-8002:80-82", "-p 127.0.0.1:8000-8002:80-82")])
def test_ports_on_a_users_engine_stay_on_loopback(given, expected):
    tail = " --name t x cmd -p 1:1"
    assert " ".join(plan(f"run {given}{tail}", OWN).args).endswith(f"{expected}{tail}")
    assert plan(f"run {given}{tail}", OWN).rewritten == (given != expected)
    assert " ".join(plan(f"run {given}{tail}", PRIVATE).args).endswith(f"{given}{tail}")


def test_a_build_knows_its_dockerfile():
    assert plan("build app -t x -f other", OWN).build.dockerfile == "other"
    assert plan("build --no-cache -t x app", OWN).build.context == "app"
    assert plan("build --no-cache -t x app", OWN).build.dockerfile is None


def test_named_volumes_of_run_are_known():
    found = plan("run -v data:/d -v /etc:/e -v ./x:/x -v /anon --volume=more:/m:ro x", PRIVATE)
    assert found.volumes == ("data", "more")


def test_run_in_the_foreground_or_not():
    assert plan("run --rm x", PRIVATE).foreground_run
    assert not plan("run -d x", PRIVATE).foreground_run
    assert plan("run --cidfile f x sleep -d", PRIVATE).cidfile == "f"


def test_compose_is_taken_apart():
    found = plan("compose -f a/b.yaml -p n --profile q up -d --build", PRIVATE)
    assert found.compose.files == ("a/b.yaml",)
    assert found.compose.kept == ("--profile", "q")
    assert found.compose.options == ("-f", "a/b.yaml", "-p", "n", "--profile", "q")
    assert found.compose.rest == ("up", "-d", "--build")


def test_nothing_to_run():
    with pytest.raises(CourseError):
        plan("", PRIVATE)
    with pytest.raises(CourseError):
        plan("docker --fails", PRIVATE)
    assert plans("# only\n\n", PRIVATE) == []


def python(code, tmp_path: Path, **options):
    return child.stream([sys.executable, "-uc", code], {}, **options)


def test_output_is_merged_in_order_and_whole_characters(tmp_path, capsys):
    code = ("import os,time\nos.write(1,b'a\\xc3');time.sleep(.2);os.write(1,b'\\xa9\\n')\n"
            "os.write(2,b'b\\n');os.write(1,b'c\\n');raise SystemExit(4)")
    ended = python(code, tmp_path)
    assert (ended.why, ended.code) == ("exit", 4)
    assert capsys.readouterr().out == "aé\nb\nc\n"


def test_until_finds_a_text_that_comes_in_pieces(tmp_path, capsys):
    code = "import os,time\nfor x in (b'rea',b'dy',b'later'):os.write(1,x);time.sleep(.3)"
    assert python(code + "\ntime.sleep(60)", tmp_path, until="ready").why == "text"
    assert "later" not in capsys.readouterr().out


def test_a_child_that_ignores_signals_is_ended_in_time(tmp_path):
    code = ("import signal,time\nsignal.signal(2,signal.SIG_IGN);signal.signal(15,signal.SIG_IGN)"
            "\nprint('on')\ntime.sleep(60)")
    called = []
    ended = python(code, tmp_path, until="on", grace_seconds=0.2,
                   stop_more=lambda: called.append(1))
    assert (ended.why, ended.code, called) == ("text", -9, [1])
