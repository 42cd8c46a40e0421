"""One way down: no layer imports what stands above it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HELPERS = Path(__file__).parents[2] / "helpers"
# What a layer may import from helpers, besides itself.
MAY = {
    "errors": set(),
    "results": {"errors"},
    "setup": {"errors", "engine.owner"},
    "engine": {"errors", "results", "setup"},
    "experiments": {"errors", "results", "engine"},
    "show": {"errors", "results"},
    "exercises": {"errors", "results", "engine", "experiments", "show"},
}


def modules(layer: str) -> list[Path]:
    path = HELPERS / layer
    return sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("helpers"):
            names |= {f"{node.module}.{alias.name}".removeprefix("helpers.")
                      for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {a.name.removeprefix("helpers.") for a in node.names
                      if a.name.startswith("helpers.")}
    return names


@pytest.mark.parametrize("layer", MAY)
def test_imports_go_one_way_down(layer: str) -> None:
    allowed = MAY[layer] | {layer}
    for path in modules(layer):
        wrong = {name for name in imported(path)
                 if not any(name == a or name.startswith(f"{a}.") for a in allowed)}
        assert not wrong, f"{path.relative_to(HELPERS)} imports {sorted(wrong)}"


def test_the_check_sees_an_import(tmp_path: Path) -> None:
    sample = tmp_path / "sample.py"
    sample.write_text("from helpers.show import tables\nimport helpers.magic\n")
    assert imported(sample) == {"show.tables", "magic"}
