"""The images of the course's apps, built once and kept for the exercises that only run them."""

from __future__ import annotations

import hashlib

from filelock import FileLock

from helpers.build.run import build_image
from helpers.engine.engine import Engine
from helpers.engine.labels import TOOLS
from helpers.exercises.sandbox import APPS
from helpers.paths import cache_dir


def ensure_app_image(engine: Engine, app: str) -> str:
    """Return the name of the image of an app as it is now, building it first if it is missing."""
    content = hashlib.sha256()
    for path in sorted(path for path in (APPS / app).iterdir() if path.is_file()):
        content.update(path.name.encode() + path.read_bytes())
    tag = f"{TOOLS}exercise-{app}:{content.hexdigest()[:12]}"
    lock = cache_dir() / f"exercise-{app}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):  # several graders build it once
        if not engine.client.images.list(tag):
            build_image(APPS / app, tag=tag, engine=engine)
    return tag
