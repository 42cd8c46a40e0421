"""Run a service on a second engine that plays the private one, and compare the engine afterwards.

Run by `test_swarm.py` in a network namespace: swarm mode changes networks and packet filter rules.
"""

from __future__ import annotations

import dataclasses
import io
import re
import subprocess
from contextlib import redirect_stdout
from pathlib import Path

from helpers.engine.base_image import REAL, ensure_base_image, image_for
from helpers.engine.engine import Engine
from helpers.engine.labels import labels
from helpers.experiments.swarm import measure
from tests.conftest import as_user_engine, second_engine, short_folder
from tests.inventory import inventory

SERVER = """
import http.server, json, os, signal, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"version": os.environ["VERSION"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("", 5000), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"""
DOCKERFILE = """FROM python:3.13-slim
ARG VERSION
ENV VERSION=$VERSION
COPY server.py /
HEALTHCHECK --interval=1s --retries=2 \\
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:5000')"]
CMD ["python", "/server.py"]
"""
STACK = Path(__file__).parents[2] / "notebooks/apps/shipping/stack.yaml"


def packet_filter(env: dict[str, str]) -> list[str]:
    """Return the rules and chains of the packet filter, without those that every table has."""
    chain_or_rule = re.compile(r"-A .*|:\S+ -")
    matches = map(chain_or_rule.match, run("iptables-save", env).splitlines())
    return [match[0] for match in matches if match]


def bridges(env: dict[str, str]) -> set[str]:
    """Return the network devices of this namespace without those of containers."""
    names = {line.split()[1] for line in run("ip -o link", env).splitlines()}
    return {name for name in names if not name.startswith("veth")}


def run(command: str, env: dict[str, str]) -> str:
    """Return the output of a program."""
    return subprocess.run(
        command.split(), env=env, text=True, capture_output=True, check=True
    ).stdout


def build_versions(engine: Engine, folder: Path) -> None:
    """Build `my-shop:1` and `my-shop:2`: a server with a health check that handles SIGTERM."""
    context = folder / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    (context / "server.py").write_text(SERVER)
    label_args = [f"--label={name}={value}" for name, value in labels().items()]
    for version in "12":
        arguments = ("-q", "-t", f"my-shop:{version}", f"--build-arg=VERSION={version}")
        built = engine.run("build", *label_args, *arguments, str(context))
        assert built.returncode == 0, built.stderr


def check_names(engine: Engine) -> None:
    """Leaving a swarm takes a container's name away; the command that is printed brings it back."""
    sleep = (image_for(engine, REAL), "sleep", "300")
    options = ("--network=named", *(f"--label={name}={value}" for name, value in labels().items()))

    def has_name() -> bool:
        return engine.run("exec", "client", "getent", "hosts", "server").returncode == 0

    assert engine.run("network", "create", "named").returncode == 0
    try:
        for name in ("client", "server"):
            started = engine.run("run", "--detach", "--init", f"--name={name}", *options, *sleep)
            assert started.returncode == 0, started.stderr
        measure.start_swarm(engine=engine)
        assert has_name()
        with redirect_stdout(io.StringIO()) as output:
            measure.leave_swarm(engine=engine)
        assert not has_name(), "Docker no longer needs the restart."
        (command,) = re.findall("docker (restart client server)\n", output.getvalue())
        assert engine.run(*command.split()).returncode == 0
        assert has_name()
    finally:
        engine.run("rm", "--force", "client", "server")
        engine.run("network", "rm", "named")


def use_swarm(engine: Engine) -> None:
    """Deploy a stack, scale and update its service, and kill one of its containers."""
    deploy = "docker stack deploy --resolve-image never --detach=false"
    measure.run_in_swarm(
        f"{deploy} -c {STACK} shop\ndocker service scale shop_web=3", engine=engine
    )
    result = measure.roll_out(
        "docker service update --quiet --no-resolve-image --image my-shop:2 shop_web", engine=engine
    )
    print(result.text())
    assert result.failed == 0 and result.sent == result.answered >= 500
    assert set(result.versions) == {"1", "2"}
    measure.kill_replica(engine=engine)


def main() -> None:
    """Raise AssertionError if a request fails, or if anything is different afterwards."""
    with (
        short_folder() as folder,
        second_engine(folder, store="classic", packet_filter=True) as daemon,
    ):
        user_engine = as_user_engine(daemon)
        engine = dataclasses.replace(user_engine, kind="private")
        ensure_base_image(engine)
        build_versions(engine, folder)
        env = daemon.network.env
        before = inventory(engine), packet_filter(env), bridges(env)
        measure.start_swarm(engine=user_engine)
        assert not measure.is_in_swarm(engine)
        for is_used in (True, False):  # twice in the same process
            measure.start_swarm(engine=engine)
            if is_used:
                use_swarm(engine)
            measure.leave_swarm(engine=engine)
            after = inventory(engine), packet_filter(env), bridges(env)
            assert after == before, (before, after)
        check_names(engine)


if __name__ == "__main__":
    main()
