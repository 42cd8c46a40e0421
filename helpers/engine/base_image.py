"""The images that chapters build on: the real ones, or stand-ins where they can't be pulled.

Stand-ins are made from the packages of Debian trixie: its Python is 3.13, its PostgreSQL is 17. The
one for Python is built once and kept as a file in the cache folder; the one for PostgreSQL is built
on it by the engine. A label marks them. On the private engine a stand-in also gets the real name;
on a user's engine it never does, and builds use it through a named context.
Source: mmdebstrap(1), docker import, BuildKit's named contexts.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from helpers import process
from helpers.engine import probe
from helpers.engine.engine import Engine
from helpers.engine.private import PrivateEngine, as_root
from helpers.errors import CourseError
from helpers.paths import cache_dir
from helpers.setup import packages

Say = Callable[[str], None]

REAL = "python:3.13-slim"
POSTGRES = "postgres:17"
STAND_INS = {REAL: "dockercourse/python-standin:3.13", POSTGRES: "dockercourse/postgres-standin:17"}
STAND_IN_LABEL = "org.dockercourse.standin"
RECIPE = "3"  # of the Python stand-in: one that was made by another recipe is made again
LABEL_VALUES = {REAL: f"{REAL} recipe {RECIPE}", POSTGRES: POSTGRES}
PYTHON_LAYOUT = Path(__file__).parent / "python" / "set_layout.sh"
POSTGRES_CONTEXT = Path(__file__).parent / "postgres"
PULL_SECONDS = 120
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def find_kind(engine: Engine, image: str = REAL) -> str:
    """Return which image this engine uses for `image`: "real", "stand-in" or "missing"."""
    names = (image, STAND_INS[image]) if engine.kind == "user" else (image,)
    present = [each for name in names if (each := probe.inspect_image(engine.host, name))]
    if not present:
        return "missing"
    label = (present[0]["Config"].get("Labels") or {}).get(STAND_IN_LABEL)
    if label is None:
        return "real"
    return "stand-in" if label == LABEL_VALUES[image] else "missing"


def ensure_base_image(engine: Engine, image: str = REAL, say: Say = lambda text: None) -> str:
    """Return "real" or "stand-in", after pulling the image or making the stand-in if needed.

    `image` is one of STAND_INS. A private engine that uses a stand-in pulls nothing. Raises
    CourseError if neither is possible.
    """
    kind = find_kind(engine, image)
    if kind != "missing":
        return kind
    if engine.kind == "user" or not tarball_path().is_file():
        say(f"pulling {image}")
        with suppress(subprocess.TimeoutExpired):
            if engine.run("pull", image, timeout=PULL_SECONDS).returncode == 0:
                return "real"
    _make_stand_in(engine, image, say)
    return "stand-in"


def named_contexts(engine: Engine, dockerfile_text: str, say: Say = lambda text: None) -> list[str]:
    """Return the `--build-context` arguments with which a build uses the stand-ins it needs.

    A stand-in that is missing (after `docker system prune -a`) is made again first.
    """
    args = []
    for image in STAND_INS:
        name = image.partition(":")[0]  # the tag may be in an ARG
        if re.search(rf"(?i)\b(from|arg)\b.*\b{name}\b", dockerfile_text):
            stand_in = image_for(engine, image, say)
            if stand_in != image:
                args += ["--build-context", f"{image}=docker-image://{stand_in}"]
    return args


def image_for(engine: Engine, image: str, say: Say = lambda text: None) -> str:
    """Return the image to run for `image`: the stand-in's name on a user's engine that needs one.

    On a machine that couldn't pull the Python image, a missing stand-in is made first (3 s; the
    first time for PostgreSQL 15 s). If the engine does not answer, return `image`: the docker
    command then reports that.
    """
    if image not in STAND_INS:
        return image
    with suppress(OSError):
        if find_kind(engine, image) == "missing" and tarball_path().is_file():
            _make_stand_in(engine, image, say)
        names = (image, STAND_INS[image])  # the private engine's stand-in has both names
        present = [name for name in names if probe.inspect_image(engine.host, name)]
        return present[0] if present else image
    return image


def _make_stand_in(engine: Engine, image: str, say: Say) -> None:
    """Make the stand-in for `image` on an engine. Raises CourseError if that fails."""
    if image == REAL:
        if not tarball_path().is_file():
            say(f"{REAL} could not be pulled: building a stand-in from Debian packages")
        ensure_tarball()
    else:
        ensure_base_image(engine, REAL, say)
    lock = tarball_path().with_name(f"{image.partition(':')[0]}.lock")
    with FileLock(lock):  # the containerd store refuses a second build of one name at a time
        if find_kind(engine, image) != "missing":
            return
        if image == REAL:
            load_tarball(engine)
        else:
            say(f"building a stand-in for {image} from Debian packages")
            build_postgres(engine)
        if engine.kind == "private":
            engine.run("tag", STAND_INS[image], image)


def tarball_path() -> Path:
    """Return the file in which the stand-in's file system is kept."""
    return cache_dir() / "base" / f"python-3.13-standin-{RECIPE}.tar"


def ensure_tarball() -> None:
    """Build the stand-in's file system unless its file exists. Raises CourseError if that fails."""
    tarball = tarball_path()
    tarball.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(tarball.with_suffix(".lock")):  # two first starts build it once
        if not tarball.is_file():
            build_tarball()


def is_rootless() -> bool:
    """Return whether this user can build the stand-in without root.

    Without newuidmap (package uidmap) a user can't map the user ids of the image's files.
    """
    return os.geteuid() != 0 and shutil.which("newuidmap") is not None


def build_tarball() -> None:
    """Build the stand-in's file system with mmdebstrap. Raises CourseError if that fails."""
    if not packages.os_codename():
        raise CourseError(
            f"The base image {REAL} is missing and could not be pulled.",
            f"Connect to the internet, then run: docker pull {REAL}",
        )
    mmdebstrap = _find_mmdebstrap()
    tarball = tarball_path()
    part = tarball.with_suffix(".part.tar")
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "locale", "man")]
    # As text: in a user namespace, root can't read files of a private home folder.
    hooks = [PYTHON_LAYOUT.read_text(encoding="utf-8")]
    if Path(CA_BUNDLE).is_file():  # the proxy of a school or company signs with its own certificate
        hooks.append(f'cp {CA_BUNDLE} "$1{CA_BUNDLE}"')
    # mmdebstrap's helper programs are in the same folder.
    path = f"{mmdebstrap.parent}:{os.environ['PATH']}:/usr/sbin:/sbin"
    env = {**os.environ, "PATH": path}
    command = [
        *([] if is_rootless() else as_root(env)),
        str(mmdebstrap),
        "--quiet",
        f"--mode={'unshare' if is_rootless() else 'root'}",
        "--variant=minbase",
        "--include=python3,python3-venv,ca-certificates",
        *excluded,
        '--aptopt=Acquire::Retries "3"',
        *(f"--customize-hook={hook}" for hook in hooks),
        "trixie",
        str(part),
        f"deb [signed-by={packages.KEYRING}] {packages.mirror()} trixie main",
    ]
    try:
        completed = process.run(command, env=env)
        if completed.returncode != 0:
            raise CourseError(
                f"Could not build the stand-in base image: {process.error_line(completed)}",
                "Check your network connection and the free space in the temporary folder.",
            )
        part.rename(tarball)
        for other in {*tarball.parent.glob("python-*.tar")} - {tarball}:
            other.unlink()  # of an older recipe
    finally:
        part.unlink(missing_ok=True)


def _find_mmdebstrap() -> Path:
    """Return mmdebstrap: the system's, the private engine's, or one unpacked now."""
    if installed := shutil.which("mmdebstrap"):
        return Path(installed)
    unpacked = PrivateEngine().root / "usr/bin/mmdebstrap"
    if unpacked.is_file():
        return unpacked
    suite = packages.os_codename()
    root = packages.unpack([f"mmdebstrap/{suite}"], cache_dir() / "mmdebstrap", suites=[suite])
    return root / "usr/bin/mmdebstrap"


def load_tarball(engine: Engine) -> None:
    """Import the Python stand-in into an engine. Raises CourseError if that fails."""
    # No owner label: every image built on this one would inherit it.
    changes = [
        f'LABEL {STAND_IN_LABEL}="{LABEL_VALUES[REAL]}"',
        'CMD ["python3"]',
        "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "ENV PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1",
    ]
    args = [part for change in changes for part in ("--change", change)]
    completed = engine.run("import", *args, str(tarball_path()), STAND_INS[REAL], timeout=300)
    if completed.returncode != 0:
        raise CourseError(
            f"Could not load the base image: {completed.stderr.strip()}",
            "Check the free disk space: python3 -m helpers doctor",
        )


def build_postgres(engine: Engine) -> None:
    """Build the PostgreSQL stand-in on an engine. Raises CourseError if that fails."""
    args = ["-t", STAND_INS[POSTGRES], f"--label={STAND_IN_LABEL}={POSTGRES}"]
    args += named_contexts(engine, f"FROM {REAL}")
    completed = engine.run(
        "buildx", "build", "--load", "--quiet", *args, str(POSTGRES_CONTEXT), timeout=600
    )
    if completed.returncode != 0:
        raise CourseError(
            f"{POSTGRES} could not be pulled, and building a stand-in failed: "
            f"{process.error_line(completed)}",
            f"Connect to the internet, then run: docker pull {POSTGRES}",
        )
