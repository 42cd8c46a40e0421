"""A Compose file that a student typed: read with limits, and refused if it could do harm.

What is refused is decided on the resolved model, as `docker compose config` prints it. Files that
Compose would read while it resolves (`include`, `extends`, `env_file`) are looked for before that.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from helpers import process
from helpers.engine.engine import Engine
from helpers.errors import CourseError, Mistake
from helpers.exercises.command import REFUSED, find_nested, find_outside, refuse

MAX_BYTES = 50_000
MAX_SERVICES = 6
CONFIG_SECONDS = 15
CONFIG_LIMITS = ("prlimit", "--data=1000000000", "--cpu=10")
TOO_LARGE = (
    "The file grows without end when its anchors and aliases are filled in, or is too large."
)
# Keys below which every text is the path of a file that Compose reads while it resolves.
READ_KEYS = ("env_file", "label_file", "file")

# Keys of a service that can do no harm, or that the runner replaces. All others are refused.
SERVICE_KEYS = {
    "annotations", "attach", "blkio_config", "build", "cap_drop", "command", "configs",
    "container_name", "cpu_count", "cpu_percent", "cpu_shares", "cpus", "cpuset", "depends_on",
    "deploy", "develop", "dns", "dns_opt", "dns_search", "domainname", "entrypoint", "environment",
    "env_file", "expose", "extra_hosts", "group_add", "healthcheck", "hostname", "image", "init",
    "ipc", "labels", "links", "logging", "mac_address", "mem_limit", "mem_reservation",
    "mem_swappiness", "memswap_limit", "network_mode", "networks", "pid", "pids_limit", "platform",
    "ports", "profiles", "pull_policy", "read_only", "restart", "scale", "secrets", "security_opt",
    "shm_size", "stdin_open", "stop_grace_period", "stop_signal", "tmpfs", "tty", "ulimits",
    "userns_mode", "uts", "volumes", "working_dir", "user", "cgroup",
}  # fmt: skip
REASONS = {
    "privileged": REFUSED["--privileged"],
    "cap_add": REFUSED["--cap-add"],
    "devices": REFUSED["--device"],
    "device_cgroup_rules": REFUSED["--device"],
    "gpus": REFUSED["--device"],
    "use_api_socket": REFUSED["--use-api-socket"],
    "cgroup_parent": REFUSED["--cgroup-parent"],
    "runtime": REFUSED["--runtime"],
    "volumes_from": REFUSED["--volumes-from"],
    "external_links": REFUSED["--link"],
    "oom_score_adj": REFUSED["--oom-score-adj"],
    "oom_kill_disable": REFUSED["--oom-kill-disable"],
    "provider": "it runs a program on your machine, outside any container",
    "post_start": "it can run commands with more rights than the container has",
    "pre_stop": "it can run commands with more rights than the container has",
}
NAMESPACES = ("network_mode", "pid", "ipc", "uts", "userns_mode", "cgroup")
BUILD_KEYS = {"context", "dockerfile", "dockerfile_inline", "args", "target", "labels", "tags"}


# -- reading ------------------------------------------------------------------------------


def resolve(text: str, folder: Path, engine: Engine) -> tuple[dict[str, Any], list[str]]:
    """Return the resolved model of a Compose file in the exercise's folder, and the warnings.

    Writes it to compose.yaml there. Raises Mistake if Compose can't read it, or if it is refused.
    """
    if not text.strip():
        raise Mistake("empty", "The file is empty.", "Its main part is the key services:.")
    if len(text.encode()) > MAX_BYTES:
        raise refuse(TOO_LARGE)
    if reason := find_read_files(text, folder):
        raise refuse(reason)
    (folder / "compose.yaml").write_text(text, encoding="utf-8")
    completed = _run_config(folder, engine)
    warnings = re.findall(r'level=warning msg="((?:[^"\\]|\\.)*)"', completed.stderr)
    if completed.returncode:
        raise _explain_unreadable(completed, folder)
    if not _can_parse(text):  # then nobody has looked for files that it reads
        raise refuse("The file uses a form of YAML that the course can't check.")
    config: dict[str, Any] = json.loads(completed.stdout)
    check_model(config, folder)
    return config, [warning.replace(f"{folder}/", "").replace('\\"', '"') for warning in warnings]


def _can_parse(text: str) -> bool:
    try:
        yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return False
    return True


def _run_config(folder: Path, engine: Engine) -> subprocess.CompletedProcess[str]:
    limits = CONFIG_LIMITS if shutil.which(CONFIG_LIMITS[0]) else ()
    command = ("compose", "-f", str(folder / "compose.yaml"), "--profile=*", "config")
    # Without the variables of this machine: a file can ask for any of them.
    env = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        **engine.extra_env,
        "DOCKER_HOST": engine.host,
        "PWD": str(folder),
        "COMPOSE_EXPERIMENTAL_GIT_REMOTE": "false",
        "COMPOSE_EXPERIMENTAL_OCI_REMOTE": "false",
    }
    try:
        return process.run(
            [*limits, *engine.command(*command), "--format=json"], env=env, timeout=CONFIG_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise refuse(TOO_LARGE) from None


def _explain_unreadable(completed: subprocess.CompletedProcess[str], folder: Path) -> CourseError:
    """Return what Compose says is wrong with the file, and what to look at."""
    lines = [line for line in completed.stderr.splitlines() if line and "level=warning" not in line]
    text = " ".join(lines).replace(f"{folder}/", "").replace(str(folder), ".")
    if completed.returncode < 0 or re.search(
        r"excessive aliasing|out of memory|cannot allocate", text
    ):
        return refuse(TOO_LARGE)
    if "unknown command" in text or "is not a docker command" in text:
        return CourseError("This docker has no compose command.", "Run: python3 -m helpers doctor")
    seen = f"Compose says: {text[-300:]}"
    for pattern, name, *hints in UNREADABLE:
        if re.search(pattern, text):
            return Mistake(name, seen, *hints)
    return Mistake(
        "not-valid", seen, "The message names the place as a path of keys from the top level."
    )


UNREADABLE = (
    (
        r"found character that cannot start any token|tab character",
        "tab",
        "A line begins with a tab, or a value with a character such as ` or @, where YAML doesn't "
        "allow it. YAML is indented with spaces only.",
    ),
    (
        r"mapping key .* already defined",
        "key-twice",
        "A key may appear only once at its level. Does one of the two belong at another level, or need "
        "another name? If not, put the entries of both under one key.",
    ),
    (
        r"top-level object must be a mapping|cannot unmarshal|no configuration|empty compose file",
        "no-services",
        "The file must have top-level keys; the containers are described under services:.",
    ),
    (
        r"(?<![.\w])yaml: |mapping values are not allowed|did not find expected|could not find expected",
        "not-yaml",
        "This is not valid YAML. Keys of one level start in the same column, what belongs to a key "
        "is indented further, and each entry of a list starts with a dash and a space.",
        "Look at the line named and at the one above it: what may be indented below that one?",
    ),
    (
        r"depends on undefined service",
        "unknown-service",
        "depends_on names a service of this file, exactly as it is written under services:.",
    ),
    (
        r"services\.\S+?\.depends_on",
        "wrong-condition",
        "depends_on is a list of services, or has a key for each service with a condition below it. "
        "Compose knows three conditions.",
        "A service with a condition has no dash before it. Docker's documentation of depends_on lists "
        "the conditions; each begins with service_.",
    ),
    (
        r"undefined volume \S*/",
        "folder-without-dot",
        "In a mount, the path of a folder begins with ./ or /. Without that, Compose takes it for the "
        "name of a volume.",
    ),
    (
        r"undefined volume",
        "volume-not-declared",
        "Compose takes what is before the colon for the name of a volume. A named volume must also be "
        "declared under the top-level volumes:. A folder begins with ./ or /.",
        "The second volumes: is not indented, and the volume's name below it ends with a colon. "
        "Compose does not run $(pwd).",
    ),
    (
        r"undefined network",
        "network-not-declared",
        "A network that a service names must also be declared under the top-level networks:.",
    ),
    (
        r"services\.(build|ports|volumes|image|command|environment|depends_on)\b.*must be a mapping",
        "service-without-name",
        "The keys directly below services: are the services' names. Compose took a setting for a name.",
        "The setting belongs one level further in, below the name of its service.",
    ),
    (
        r"(additional properties|Additional property) '?(build|web|db|ports)\b|Additional property (web|db)",
        "outside-services",
        "This key is at the wrong level. Services belong directly below the key services:, and their "
        "settings directly below the service's name.",
        "Compare the indentation of the key with that of its neighbours.",
    ),
    (
        r"[Aa]dditional propert",
        "unknown-key",
        "Compose has no such key at this place. Is it spelled right, and at the right level?",
    ),
    (
        r"neither an image nor a build context",
        "no-image-or-build",
        "Each service needs an image: one that exists, or one that is built from a folder.",
    ),
    (
        r"\bservices must be a mapping",
        "not-indented",
        "Below services:, each service is a name with a colon, indented and without a dash; its "
        "settings are indented further.",
    ),
    (
        r"must be a string",
        "not-a-text",
        "The value is missing, or it is a number where Compose needs text. A time has a unit: 2s.",
    ),
    (
        r"unexpected type map|non-string key",
        "mapping-in-list",
        "An entry that starts with a dash is a single string: NAME=VALUE, or a port in quotes. Without dashes, each "
        "line is NAME: VALUE.",
    ),
    (
        r"dependency cycle",
        "cycle",
        "These services wait for each other. Only one of them can name the other under depends_on.",
    ),
    (
        r"must be a (list|array|mapping|string)|must be (list|array|mapping|string)",
        "wrong-type",
        "This key takes another form: a list has a dash before each entry, a mapping has a key and "
        "a colon in each line.",
    ),
    (
        r"[Ii]nvalid (containerPort|hostPort|proto|port|ip)|[Ii]nvalid.*port|No port specified",
        "port-format",
        "An entry of ports: is written \"HOST:CONTAINER\", two numbers with a colon between them. "
        "A folder to be mounted belongs below volumes:.",
    ),
    (
        r"env file .* not found|no such file",
        "missing-file",
        "The file names another file that is not in the exercise's folder.",
    ),
)  # fmt: skip


def find_read_files(text: str, folder: Path) -> str:
    """Return which file outside the folder Compose would read while it resolves, "" if none."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return ""  # Compose says what is wrong
    except RecursionError:
        return TOO_LARGE
    for key, value in _entries(root, set()):
        if key == "include":
            return "include: the exercise has one file."
        if key in READ_KEYS:
            nodes = (each for _, each in _entries(value, set()))
            for path in (str(each.value) for each in nodes if isinstance(each, yaml.ScalarNode)):
                own = path.replace("${PWD}", ".").replace("$PWD", ".")
                if "$" in own or find_outside(own, folder):
                    return f"{key}: {path}: it is outside the exercise's folder."
    return ""


def _entries(node: yaml.Node | None, seen: set[int]) -> Iterator[tuple[str, yaml.Node]]:
    """Yield all keys below a node of a YAML file with the nodes of their values; "" with a text."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode):
        yield "", node
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield str(key.value), value
            yield from _entries(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _entries(each, seen)


# -- what is refused ----------------------------------------------------------------------


def check_model(config: dict[str, Any], folder: Path) -> None:
    """Raise Mistake if the resolved model could do harm."""
    services = config.get("services") or {}
    if not services:
        raise Mistake(
            "no-services", "The file has no service.", "Containers are described below services:."
        )
    count = sum(_replicas(settings) for settings in services.values())
    if count > MAX_SERVICES:
        raise refuse(f"The file starts {count} containers; an exercise starts {MAX_SERVICES}.")
    for name, settings in services.items():
        for place, reason in find_dangers(settings, folder):
            raise refuse(f"services.{name}.{place}: {reason}.")
    mounts = [mount for settings in services.values() for mount in settings.get("volumes") or []]
    folders = [mount.get("source", "") for mount in mounts if mount.get("type") == "bind"]
    if reason := find_nested(folders, folder):
        raise refuse(reason)
    for kind in ("volumes", "networks", "secrets", "configs"):
        for name, settings in (config.get(kind) or {}).items():
            if reason := find_object_danger(kind, settings or {}, folder):
                raise refuse(f"{kind}.{name}: {reason}.")


def _replicas(settings: dict[str, Any]) -> int:
    replicas = (settings.get("deploy") or {}).get("replicas", 1)
    return max(int(replicas or 0), int(settings.get("scale") or 0))


def find_dangers(settings: dict[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what is refused of a service: the key, and why."""
    for key, value in settings.items():
        if key in SERVICE_KEYS or not value:
            continue
        yield key, REASONS.get(key, "this exercise does not use it")
    for key in NAMESPACES:
        value = str(settings.get(key) or "")
        if value == "host" or value.startswith("container:"):
            yield key, "it removes part of the isolation from your machine or another container"
    for value in settings.get("security_opt") or []:
        if not str(value).startswith("no-new-privileges"):
            yield "security_opt", REFUSED["--security-opt"]
    devices = (settings.get("deploy") or {}).get("resources", {}).get("reservations", {})
    if devices.get("devices"):
        yield "deploy", REFUSED["--device"]
    if (settings.get("logging") or {}).get("driver", "local") not in ("json-file", "local", "none"):
        yield "logging", "it sends the log somewhere else"
    for mount in settings.get("volumes") or []:
        kind, source = mount.get("type"), mount.get("source", "")
        if kind not in ("bind", "volume", "tmpfs"):
            yield "volumes", f"this exercise has no mounts of the type {kind}"
        elif kind == "bind" and (reason := find_outside(source, folder)):
            yield "volumes", f"{source}: {reason}"
    yield from _find_build_dangers(settings.get("build") or {}, folder)


def _find_build_dangers(build: dict[str, Any], folder: Path) -> Iterator[tuple[str, str]]:
    for key, value in build.items():
        if value and key not in BUILD_KEYS and key not in ("network", "no_cache", "pull"):
            yield f"build.{key}", "a build of this exercise reads its own folder, and nothing else"
    if str(build.get("network") or "").startswith(("host", "container:")):
        yield "build.network", "it shares your machine's, or another container's, network"
    if context := build.get("context"):
        if reason := find_outside(context, folder):
            yield "build.context", reason
        elif reason := find_outside(
            str(Path(context, build.get("dockerfile") or "Dockerfile")), folder
        ):
            yield "build.dockerfile", reason


def find_object_danger(kind: str, settings: dict[str, Any], folder: Path) -> str:
    """Return why a volume, network, secret or config is refused, "" if it may be used."""
    if settings.get("external"):
        return "external: it belongs to something outside this file, and the exercise has none"
    options = settings.get("driver_opts") or {}
    if kind == "volumes":
        if settings.get("driver", "local") != "local":
            return "a volume driver can reach files outside the exercise"
        if options and options.get("type") != "tmpfs":
            return "its driver options can bind a folder of your machine"
    if kind == "networks" and (settings.get("driver") or "bridge") != "bridge":
        return "this exercise has networks of the driver bridge only"
    if kind in ("secrets", "configs"):
        if file := settings.get("file"):
            return find_outside(file, folder)
        if settings.get("environment"):
            return "it reads a variable of your machine"
    return ""
