"""Records what BuildKit prints and writes for each Dockerfile here, as data for the unit tests.

    python -m tests.engine.record_builds NAME      (engine: DOCKER_HOST, or the private one)

writes recorded/NAME/CASE.json.gz: the lines of `--progress=rawjson` and the metadata file. NAME is
the image store: classic, or containerd for a second engine that has it.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers.engine import base_image
from helpers.engine.engine import Engine
from helpers.engine.find import connect
from helpers.engine.labels import labels

CASES = Path(__file__).parent / "dockerfiles"
RECORDED = Path(__file__).parent / "recorded"
TAG = "course-recorded"


def target_of(case: Path) -> str:
    """Return the stage that a case builds, "" for the last."""
    file = case / "target.txt"
    return file.read_text().strip() if file.is_file() else ""


def record(case: Path, engine: Engine) -> dict[str, object]:
    """Build one case; return its progress lines, exit code and metadata."""
    text = (case / "Dockerfile").read_text(encoding="utf-8-sig")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "metadata.json")
        target = [f"--target={target_of(case)}"] if target_of(case) else []
        completed = subprocess.run(
            [
                engine.docker,
                "buildx",
                "build",
                "--progress=rawjson",
                f"--metadata-file={file}",
                "-t",
                TAG,
                *(f"--label={k}={v}" for k, v in labels().items()),
                *target,
                *base_image.named_contexts(engine, text),
                str(case),
            ],
            env={**engine.env, "BUILDX_METADATA_PROVENANCE": "max"},
            text=True,
            capture_output=True,
            check=False,
        )
        metadata = json.loads(file.read_text()) if file.is_file() else None
    return {
        "exit_code": completed.returncode,
        "progress": completed.stderr.splitlines(),
        "metadata": metadata,
    }


def main(name: str) -> None:
    """Record all cases under recorded/NAME."""
    engine = connect()
    base_image.ensure_base_image(engine)
    (RECORDED / name).mkdir(parents=True, exist_ok=True)
    for case in sorted(path for path in CASES.iterdir() if path.is_dir()):
        data = json.dumps(record(case, engine), ensure_ascii=False).encode()
        # Without a time in it, the same recording is the same file.
        (RECORDED / name / f"{case.name}.json.gz").write_bytes(gzip.compress(data, mtime=0))
    engine.run("image", "rm", "--force", TAG)


if __name__ == "__main__":
    main(sys.argv[1])
