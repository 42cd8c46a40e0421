"""What a `docker run` line may do in an exercise: each refusal has a reason, and runs nothing."""

from __future__ import annotations

import types
from collections.abc import Sequence
from pathlib import Path

import pytest

from helpers.errors import Mistake
from helpers.exercises.command import Publish, read_command
from helpers.exercises.sandbox import Sandbox


class Engine:
    """An engine that only writes down what it was asked to run."""

    def __init__(self) -> None:
        self.calls: list[Sequence[str]] = []

    def run(self, *args: str, timeout: float = 0) -> types.SimpleNamespace:
        self.calls.append(args)
        return types.SimpleNamespace(stdout="", stderr="", returncode=0)


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "out").symlink_to("/etc")
    return Sandbox(Engine(), folder)  # type: ignore[arg-type]


REFUSED = {
    "docker run --privileged app": "--privileged",
    "docker run --privileged=true app": "--privileged",
    "docker run --cap-add SYS_ADMIN app": "--cap-add SYS_ADMIN",
    "docker run --cap-add=ALL app": "--cap-add",
    "docker run --network host app": "--network host",
    "docker run --net=host app": "--network host",
    "docker run --network container:web app": "--network container:web",
    "docker run --network other app": "no such network",
    "docker run --pid host app": "--pid host",
    "docker run --pid=container:web app": "--pid",
    "docker run --ipc=host app": "--ipc host",
    "docker run --uts host app": "--uts host",
    "docker run --userns=host app": "--userns host",
    "docker run --cgroupns host app": "--cgroupns host",
    "docker run --device /dev/sda app": "--device /dev/sda",
    "docker run --device-cgroup-rule 'a *:* rwm' app": "--device-cgroup-rule",
    "docker run --gpus all app": "--gpus",
    "docker run --security-opt seccomp=unconfined app": "--security-opt",
    "docker run --security-opt=apparmor=unconfined app": "--security-opt",
    "docker run -v /var/run/docker.sock:/var/run/docker.sock app": "controls your whole engine",
    "docker run -v ./:/a -v ./x:/b app": "x is mounted, and so is the folder that contains it",
    'docker run -v "$PWD":/a --mount type=bind,src=./x/y,dst=/b app': "y is mounted",
    "docker run --mount type=bind,source=.,src=/etc,dst=/x app": "outside",
    "docker run --use-api-socket app": "controls your whole engine",
    "docker run --mount type=bind,src=/run/docker.sock,dst=/s app": "controls your whole engine",
    "docker -H tcp://127.0.0.1:1 run app": "--host before",
    "docker --host=unix:///x run app": "--host before",
    "docker --context other run app": "--context before",
    "docker --config /tmp run app": "--config before",
    "docker run --env-file /etc/passwd app": "--env-file /etc/passwd",
    "docker run --env-file ../x app": "outside",
    "docker run --label-file out/passwd app": "outside",
    "docker run --cidfile /tmp/x app": "--cidfile /tmp/x",
    "docker run -v /:/host app": "outside",
    "docker run -v /etc:/etc:ro app": "outside",
    "docker run -v ..:/x app": "outside",
    "docker run -v ./../..:/x app": "outside",
    "docker run -v $PWD/../x:/x app": "outside",
    "docker run -v ~:/x app": "outside",
    "docker run -v ~/data:/x app": "outside",
    "docker run -v '~/data':/x app": "outside",
    "docker run -v $HOME:/x app": "outside",
    "docker run -v ./out:/x app": "outside",
    "docker run -v out/passwd:/x app": "outside",
    "docker run --mount type=bind,source=/etc,target=/x app": "outside",
    "docker run --mount type=bind,source=out,target=/x app": "outside",
    "docker run --mount 'type=bind,\"source=/etc\",target=/x' app": "outside",
    "docker run --mount TYPE=bind,SRC=/etc,DST=/x app": "outside",
    "docker run --mount type=volume,src=v,dst=/x,volume-opt=type=none,volume-opt=o=bind,"
    "volume-opt=device=/etc app": "volume driver",
    "docker run --mount src=v,dst=/x,volume-driver=local app": "volume driver",
    "docker run --volume-driver local -v v:/x app": "--volume-driver",
    "docker run --volumes-from web app": "--volumes-from",
    "docker run --link web app": "--link",
    "docker run --cgroup-parent / app": "--cgroup-parent",
    "docker run --runtime other app": "--runtime",
    "docker run --oom-score-adj -1000 app": "--oom-score-adj",
    "docker run --log-driver syslog app": "--log-driver syslog",
    "docker run app; rm -rf x": "`;`",
    "docker run app && docker ps": "`&`",
    "docker run app || true": "`|`",
    "docker run app | cat": "`|`",
    "docker run app &": "`&`",
    "docker run app > out": "`>`",
    "docker run app < in": "`<`",
    "docker run $(id) app": "$(…)",
    "docker run `id` app": "$(…)",
    'docker run -e X="$(cat /etc/passwd)" app': "$(…)",
    "docker run ${X:-$(id)} app": "${",
}


@pytest.mark.parametrize(("typed", "reason"), REFUSED.items())
def test_harmful_commands_are_refused(sandbox: Sandbox, typed: str, reason: str) -> None:
    with pytest.raises(Mistake) as caught:
        read_command(typed, "app", sandbox)
    assert caught.value.name == "refused" and reason in caught.value.seen
    assert caught.value.seen.startswith("Not run.") and caught.value.hints
    assert sandbox.engine.calls == []


@pytest.mark.parametrize(
    ("typed", "mistake"),
    [
        ("", "empty"),
        ("# only a comment", "empty"),
        ("docker run app\ndocker ps", "several-commands"),
        ("docker system prune -af", "not-docker-run"),
        ("docker volume prune", "not-docker-run"),
        ("docker", "not-docker-run"),
        ("docker compose up", "not-docker-run"),
        ("docker exec web sh", "not-docker-run"),
        ("docker create app", "not-docker-run"),
        ("podman run app", "not-docker-run"),
        ("rm -rf /", "not-docker-run"),
        ("sudo", "not-docker-run"),
        ("docker run", "no-image"),
        ("docker run -p app", "no-image"),
        ("docker run --publish-port 1:2 app", "unknown-option"),
        ("docker run other", "other-image"),
        ("docker run 'app", "open-quote"),
    ],
)
def test_other_mistakes_have_names(sandbox: Sandbox, typed: str, mistake: str) -> None:
    with pytest.raises(Mistake) as caught:
        read_command(typed, "app", sandbox)
    assert caught.value.name == mistake and caught.value.hints
    assert sandbox.engine.calls == []


def test_names_ports_and_volumes_are_the_sandbox_s(sandbox: Sandbox) -> None:
    command = read_command(
        "docker run -d --name web -p 127.0.0.1:5005:5000 -p 80:5000 -v data:/data app --x",
        "app",
        sandbox,
    )
    assert command.options == [
        "--detach=true",
        f"--name={sandbox.name('web')}",
        "--publish=127.0.0.1::5000/tcp",
        f"--volume={sandbox.name('data')}:/data",
    ]
    assert command.words == ("--x",)
    assert command.published == [Publish(5005, 5000, ip="127.0.0.1"), Publish(80, 5000)]


@pytest.mark.parametrize(
    "typed",
    [
        '-v "$(pwd)/data":/data',
        "-v $PWD/data:/data",
        "-v ${PWD}/data:/data",
        "-v `pwd`/data:/data",
        "-v ./data:/data",
        "-v ./x/../data:/data",
    ],
)
def test_the_own_folder_may_be_mounted(sandbox: Sandbox, typed: str) -> None:
    command = read_command(f"docker run {typed} app", "app", sandbox)
    assert command.options == [f"--volume={sandbox.folder}/data:/data"]


@pytest.mark.parametrize(
    ("typed", "port"),
    [
        ("5005:5000", Publish(5005, 5000)),
        ("5000", Publish(None, 5000)),
        (":5000", Publish(None, 5000)),
        ("0.0.0.0:5005:5000", Publish(5005, 5000, ip="0.0.0.0")),
        ("[::1]:5005:5000/tcp", Publish(5005, 5000, ip="[::1]")),
        ("127.0.0.1::5000", Publish(None, 5000, ip="127.0.0.1")),
        ("5005:5000/udp", Publish(5005, 5000, "udp")),
    ],
)
def test_published_ports_are_read(sandbox: Sandbox, typed: str, port: Publish) -> None:
    assert read_command(f"docker run -p {typed} app", "app", sandbox).published == [port]


def test_a_larger_limit_is_dropped(sandbox: Sandbox) -> None:
    options = read_command("docker run -m 64g --cpus 64 app", "app", sandbox).options
    assert options == []
    assert read_command("docker run -m 64m app", "app", sandbox).options == ["--memory=64m"]
