"""Reads BuildKit's record of a build: the image, and the Dockerfile lines of each step.

buildx 0.14 or newer writes it with `--metadata-file` when `BUILDX_METADATA_PROVENANCE=max`. Two
tables are joined: the digest of a vertex → step, and step → lines. For example

    buildConfig.digestMapping   {"sha256:5ec…": "step2", "sha256:ff1…": "step3"}
    source.locations            {"step2": {"locations": [{"ranges": [{"start": {"line": 4}}]}]},
                                 "step3": {}}

gives {"sha256:5ec…": [4], "sha256:ff1…": []}. step3 ("load build context") has no line and is no build step; a FROM
that two stages share has two. Source: BuildKit's SLSA provenance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Lines = Mapping[str, Sequence[int]]  # the lines of each vertex in the Dockerfile, by digest
_BUILDKIT = "https://mobyproject.org/buildkit@v1#metadata"


def read_record(file: Path) -> tuple[str, Lines | None]:
    """Return the image's id and each vertex's lines (None: not recorded) from a metadata file.

    Raises OSError or ValueError if there is no such file.
    """
    metadata: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    # The image's id in both image stores; the configuration's digest is it in one of them only.
    image_id = metadata.get("containerimage.digest", "")
    provenance = metadata.get("buildx.build.provenance")
    if not provenance:
        return image_id, None
    places = provenance["metadata"][_BUILDKIT].get("source", {}).get("locations", {})
    lines = {
        step: [p["ranges"][0]["start"]["line"] for p in place.get("locations", ()) if "ranges" in p]
        for step, place in places.items()
    }
    steps = provenance["buildConfig"]["digestMapping"]
    return image_id, {digest: lines.get(step, []) for digest, step in steps.items()}
