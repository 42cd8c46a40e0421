"""docker's command-line options: which there are, which take a value, and their long names.

`%docker` reads commands with it, and so does an exercise that grades the command a student typed.
Source: `docker COMMAND --help` of Docker 28.5 and Compose 2.40, which a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from helpers.errors import CourseError

TRUE = ("1", "t", "T", "true", "True", "TRUE")  # what docker takes as the value of a switch


@dataclass(frozen=True)
class Option:
    """One option: its long name and its value, "true" for a switch without one."""

    name: str
    value: str
    at: int  # index of the word that holds the value


@dataclass(frozen=True)
class Parsed:
    """The words of a command: its options, and the other words, the first of them at `first`."""

    options: tuple[Option, ...] = ()
    words: tuple[str, ...] = ()
    first: int = 0
    unknown: tuple[str, ...] = ()  # options that docker doesn't have, as typed

    def values(self, name: str) -> list[str]:
        """Return the values of an option that can be repeated, such as "--publish"."""
        return [option.value for option in self.options if option.name == name]

    def last(self, name: str) -> str:
        """Return the value that counts if an option is repeated, "" without it."""
        return "".join(self.values(name)[-1:])

    def is_on(self, *names: str) -> bool:
        """Return whether any of these switches is on."""
        return any(self.last(name) in TRUE for name in names)


NOTHING = Parsed()


@dataclass(frozen=True)
class RunCommand:
    """A `docker run` or `docker create` command line: each option by its long name."""

    options: Mapping[str, Sequence[str]]
    image: str
    command: tuple[str, ...]
    unknown: tuple[str, ...]


class Table:
    """The options of one command, by each of their names."""

    def __init__(self, switches: str, values: str) -> None:
        self.known: dict[str, tuple[str, bool]] = {}  # → long name, whether it takes a value
        for text, takes_value in ((switches + " --help", False), (values, True)):
            for spelled in text.split():
                *_, long_name = names = spelled.split("/")
                self.known.update(dict.fromkeys(names, (long_name, takes_value)))

    def parse(self, words: Sequence[str], *, mixed: bool = False) -> Parsed:
        """Split words into options and others. An unknown option is taken for a switch.

        Options end at the first other word, or with `mixed` at `--`, as in `docker build . -t x`.
        """
        options: list[Option] = []
        others: list[str] = []
        unknown: list[str] = []
        first, at = len(words), 0
        while at < len(words):
            word = words[at]
            if word in ("-", "--") or not word.startswith("-"):
                start = at + (word == "--")
                first = min(first, start)
                if word == "--" or not mixed:
                    others += words[start:]
                    break
                others.append(word)
                at += 1
                continue
            for name, value in _split(word, self.known):
                long_name, takes_value = self.known.get(name, (name, False))
                if name not in self.known:
                    unknown.append(name)
                elif takes_value and value is None:
                    at += 1
                    value = words[at] if at < len(words) else ""
                options.append(Option(long_name, "true" if value is None else value, at))
            at += 1
        return Parsed(tuple(options), tuple(others), first, tuple(unknown))


def _split(word: str, known: Mapping[str, tuple[str, bool]]) -> list[tuple[str, str | None]]:
    """Return the options in one word, and the value if it is in it too.

    "--name=web" has one, "-dit" has three, and "-dp80:80" has -d, and -p with its value.
    """
    if word.startswith("--"):
        name, equals, value = word.partition("=")
        return [(name, value if equals else None)]
    options: list[tuple[str, str | None]] = []
    for index, letter in enumerate(word[1:], 2):
        rest = word[index:]
        takes_value = known.get(f"-{letter}", ("", False))[1]
        if rest and (takes_value or rest.startswith("=")):
            return [*options, (f"-{letter}", rest.removeprefix("="))]
        options.append((f"-{letter}", None))
    return options


def shorten_publish(value: str) -> str:
    """Return the value of `--publish`, published=5005,target=5000 as 5005:5000/tcp."""
    if "=" not in value:
        return value
    fields = dict(field.partition("=")[::2] for field in value.split(","))
    ports = f"{fields.get('published', '')}:{fields.get('target', '')}"
    return f"{ports}/{fields.get('protocol', 'tcp')}"


def parse_run(words: Sequence[str]) -> RunCommand:
    """Return what `docker run …` says; the words are those that a shell would pass on.

    Raises CourseError if it is another command, or has no image.

    Example:
        parse_run(["docker", "run", "-dp", "80:80", "nginx"]).options
        # {"--detach": ["true"], "--publish": ["80:80"]}
    """
    rest = list(words[1:] if words[:1] == ["docker"] else words)
    rest = list(GLOBAL.parse(rest).words)
    rest = rest[1:] if rest[:1] == ["container"] else rest
    if rest[:1] not in (["run"], ["create"]):
        raise CourseError("This is not a docker run command.", "Example: docker run IMAGE")
    parsed = RUN.parse(rest[1:])
    if not parsed.words:
        raise CourseError("This command names no image.", "Example: docker run IMAGE")
    options = {option.name: parsed.values(option.name) for option in parsed.options}
    return RunCommand(options, parsed.words[0], parsed.words[1:], parsed.unknown)


GLOBAL = Table(
    "-D/--debug --tls --tlsverify -v/--version",
    "--config -c/--context -H/--host -l/--log-level --tlscacert --tlscert --tlskey",
)
RUN = Table(  # and create
    """-d/--detach --disable-content-trust --init -i/--interactive --no-healthcheck
    --oom-kill-disable --privileged -P/--publish-all -q/--quiet --read-only --rm --sig-proxy
    -t/--tty --use-api-socket""",
    """--add-host --annotation -a/--attach --blkio-weight --blkio-weight-device --cap-add --cap-drop
    --cgroup-parent --cgroupns --cidfile --cpu-period --cpu-quota --cpu-rt-period --cpu-rt-runtime
    -c/--cpu-shares --cpus --cpuset-cpus --cpuset-mems --detach-keys --device --device-cgroup-rule
    --device-read-bps --device-read-iops --device-write-bps --device-write-iops --dns
    --dns-opt/--dns-option --dns-search --domainname --entrypoint -e/--env --env-file --expose
    --gpus --group-add --health-cmd --health-interval --health-retries --health-start-interval
    --health-start-period --health-timeout -h/--hostname --ip --ip6 --ipc --isolation
    --kernel-memory -l/--label --label-file --link --link-local-ip --log-driver --log-opt
    --mac-address -m/--memory --memory-reservation --memory-swap --memory-swappiness --mount --name
    --net/--network --net-alias/--network-alias --oom-score-adj --pid --pids-limit --platform
    -p/--publish --pull --restart --runtime --security-opt --shm-size --stop-signal --stop-timeout
    --storage-opt --sysctl --tmpfs --ulimit -u/--user --userns --uts -v/--volume --volume-driver
    --volumes-from -w/--workdir""",
)
START = Table("-a/--attach -i/--interactive", "--detach-keys --checkpoint --checkpoint-dir")
EXEC = Table(
    "-d/--detach -i/--interactive --privileged -t/--tty",
    "--detach-keys -e/--env --env-file -u/--user -w/--workdir",
)
BUILD = Table(  # the last switches are those of the builder before BuildKit
    """--check -D/--debug --load --no-cache --pull --push -q/--quiet
    --compress --disable-content-trust --force-rm --rm --squash""",
    """--add-host --allow --annotation --attest --build-arg --build-context --builder --cache-from
    --cache-to --call --cgroup-parent -f/--file --iidfile --label --metadata-file --network
    --no-cache-filter -o/--output --platform --progress --provenance --sbom --secret --shm-size
    --ssh -t/--tag --target --ulimit""",
)
COMPOSE = Table(
    "--all-resources --compatibility --dry-run --verbose -v/--version -h/--help",
    "--ansi --env-file -f/--file --parallel --profile --progress --project-directory "
    "-p/--project-name",
)
COMPOSE_UP = Table(
    """--abort-on-container-exit --abort-on-container-failure --always-recreate-deps
    --attach-dependencies --build -d/--detach --dry-run --force-recreate --menu --no-build
    --no-color --no-deps --no-log-prefix --no-recreate --no-start --quiet-build --quiet-pull
    --remove-orphans -V/--renew-anon-volumes --timestamps --wait -w/--watch -y/--yes""",
    "--attach --exit-code-from --no-attach --pull --scale -t/--timeout --wait-timeout",
)
COMPOSE_RUN = Table(
    """--build -d/--detach --dry-run -i/--interactive -T/--no-TTY --no-deps -q/--quiet --quiet-build
    --quiet-pull --remove-orphans --rm -P/--service-ports -t/--tty --use-aliases""",
    """--cap-add --cap-drop --entrypoint -e/--env --env-from-file -l/--label --name -p/--publish
    --pull -u/--user -v/--volume -w/--workdir""",
)
COMPOSE_EXEC = Table(
    "-d/--detach --dry-run -i/--interactive -T/--no-tty --privileged -t/--tty",
    "-e/--env --index -u/--user -w/--workdir",
)
COMPOSE_BUILD = Table(
    "--check --dry-run --no-cache --print --pull --push -q/--quiet --with-dependencies",
    "--build-arg --builder -m/--memory --provenance --sbom --ssh",
)
COMPOSE_CREATE = Table(
    """--build --dry-run --force-recreate --no-build --no-recreate --quiet-pull --remove-orphans
    -y/--yes""",
    "--pull --scale",
)
COMPOSE_DOWN = Table("--dry-run --remove-orphans -v/--volumes", "--rmi -t/--timeout")
COMPOSE_RM = Table("--dry-run -f/--force -s/--stop -v/--volumes", "")
COMPOSE_KILL = Table("--dry-run --remove-orphans", "-s/--signal")
COMPOSE_RESTART = Table("--dry-run --no-deps", "-t/--timeout")
COMPOSE_STOP = Table("--dry-run", "-t/--timeout")
COMPOSE_START = Table("--dry-run", "")
