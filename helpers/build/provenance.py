"""Reads BuildKit's record of a build: the image, and the Dockerfile lines of each step.

buildx 0.14 or newer writes it with `--metadata-file` when `BUILDX_METADATA_PROVENANCE=max`. Two
tables are joined: the digest of a vertex → step, and step → lines. For example

    buildConfig.digestMapping   {"sha256:5ec…": "step2", "sha256:ff1…": "step3"}
    source.locations            {"step2": {"locations": [{"ranges": [{"start": {"line": 4}}]}]},
                                 "step3": {}}

gives {"sha256:5ec…": (4,)}. step3 ("load build context") has no line and is no build step; a FROM
that two stages share has two. Source: BuildKit's SLSA provenance.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_BUILDKIT = "https://mobyproject.org/buildkit@v1#metadata"


@dataclass(frozen=True)
class BuildRecord:
    """The image's id, and each vertex's lines in the Dockerfile, by digest, if buildx has them."""

    image_id: str
    lines: dict[str, tuple[int, ...]] = field(default_factory=dict)
    has_lines: bool = True


def read_record(file: Path) -> BuildRecord:
    """Return the record in a metadata file. Raises OSError or ValueError if there is none."""
    metadata: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    # The image's id in both image stores; the configuration's digest is it in one of them only.
    image_id = metadata.get("containerimage.digest", "")
    provenance = metadata.get("buildx.build.provenance")
    if not provenance:
        return BuildRecord(image_id, has_lines=False)
    places = provenance["metadata"][_BUILDKIT].get("source", {}).get("locations", {})
    return BuildRecord(
        image_id,
        {
            digest: tuple(
                place["ranges"][0]["start"]["line"]
                for place in places.get(step, {}).get("locations", ())
                if "ranges" in place
            )
            for digest, step in provenance["buildConfig"]["digestMapping"].items()
        },
    )
