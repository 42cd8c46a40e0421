"""The conventions of every chapter file; nbval runs the chapters."""

from __future__ import annotations

import ast
import itertools
import re
import shlex
from pathlib import Path

import nbformat
import pytest

import helpers
from helpers.cli.present import slide_type

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("[0-9][0-9]_*.ipynb"))
IMPORTS = "%reload_ext helpers"
MOST_LINES = 10
SLIDE_TYPES = {"slide", "subslide", "fragment", "skip", "notes"}
LAST_SECTIONS = ["Recap", "Clean up", "Further reading"]
NOT_TAUGHT = {*LAST_SECTIONS, "The chapters", "Glossary"}
# Names that every chapter uses around its commands; all others measure, repeat or draw.
SMALL_HELPERS = {"clean_up", "open_app", "edit_file", "fetch", "load_ipython_extension"}
COURSE_HELPERS = set(helpers.__all__) - SMALL_HELPERS
GROUPS = {
    "builder",
    "buildx",
    "compose",
    "container",
    "context",
    "image",
    "network",
    "system",
    "volume",
}
MAGIC_OPTIONS = re.compile(r"""^(--fails\s+|--(until|for)[\s=]+("[^"]*"|'[^']*'|\S+)\s+)*""")


def shell_docker(source: str) -> list[str]:
    """Return the lines that run docker through IPython's `!`, whose failure nbval can't see."""
    return [
        line
        for line in source.splitlines()
        if re.search(
            r"^\s*(\w+\s*=\s*)?(!|%sx\b|%system\b).*\bdocker\b|"
            r"^%%(bash|sh|script|sx|system|!)",
            line,
        )
        or re.search(r"get_ipython\(\)\.(system|getoutput)|os\.system\(", line)
    ]


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_chapters_exist() -> None:
    assert len(NOTEBOOKS) >= 2


def test_format_is_valid(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)


def test_docker_failures_are_never_silent(notebook: nbformat.NotebookNode) -> None:
    assert [line for cell in code(notebook) for line in shell_docker(cell.source)] == []


@pytest.mark.parametrize(
    "line",
    [
        "!docker ps",
        "  !docker run x",
        "out = !docker ps",
        "!!docker ps",
        "! docker ps",
        "%%bash",
        "!cd app && docker build .",
        "!sudo docker ps",
        "%%sx",
        "x = %sx docker ps",
        "get_ipython().system('docker ps')",
    ],
)
def test_silent_docker_is_detected(line: str) -> None:
    assert shell_docker(f"x = 1\n{line}")


def test_cells_are_short(notebook: nbformat.NotebookNode) -> None:
    for cell in code(notebook):
        assert len(cell.source.splitlines()) <= MOST_LINES, cell.source
        assert not re.search(r"^\s*(def|class|try)\b", cell.source, re.MULTILINE)


def test_title_then_imports(notebook: nbformat.NotebookNode) -> None:
    """The title slide has no code; the import cell is on no slide, collapsed, and cleans up."""
    assert notebook.cells[0].source.startswith("# ")
    imports = code(notebook)[0]
    assert imports.source.startswith(IMPORTS) and imports.source.endswith("clean_up()")
    assert slide_type(imports) == "skip"
    assert imports.metadata.get("jupyter", {}).get("source_hidden") is True


def test_outputs_come_from_one_run(notebook: nbformat.NotebookNode) -> None:
    counts = [cell.execution_count for cell in code(notebook)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code(notebook):  # a cell that may fail, such as a pull without a network, says so
        if "raises-exception" not in cell.metadata.get("tags", []):
            assert not [output for output in cell.outputs if output.output_type == "error"]


def test_slide_types_are_known(notebook: nbformat.NotebookNode) -> None:
    """A cell of type `-` would vanish from the slides."""
    assert {slide_type(cell) for cell in notebook.cells} <= SLIDE_TYPES


def test_facts_are_on_no_slide(notebook: nbformat.NotebookNode) -> None:
    _, *others = code(notebook)
    for cell in others:
        assert (slide_type(cell) == "skip") == cell.source.startswith("# facts"), cell.source


def test_shown_cells_need_no_facts(notebook: nbformat.NotebookNode) -> None:
    """`present` doesn't run the cells that are on no slide, apart from the imports."""
    _, *others = code(notebook)
    skipped = [cell for cell in others if slide_type(cell) == "skip"]
    shown = [cell for cell in others if slide_type(cell) != "skip"]
    defined = names(shown, ast.Store)
    assert not (names(skipped, ast.Store) - defined) & names(shown, ast.Load)


def names(cells: list[nbformat.NotebookNode], context: type[ast.expr_context]) -> set[str]:
    """Return the names that cells define (ast.Store) or use (ast.Load)."""
    nodes = itertools.chain.from_iterable(ast.walk(ast.parse(python(cell))) for cell in cells)
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, context)}


def python(cell: nbformat.NotebookNode) -> str:
    """Return the source of a code cell without magics."""
    if cell.source.startswith("%%"):
        return ""
    return "\n".join(line for line in cell.source.splitlines() if not re.match(r"\s*[%!]", line))


def test_real_commands_come_first(notebook: nbformat.NotebookNode) -> None:
    """At least as many cells have docker commands or SDK calls as have course helpers."""
    shown = [cell for cell in code(notebook) if slide_type(cell) != "skip"]
    with_docker = [cell for cell in shown if docker_commands(cell.source) or uses_sdk(cell)]
    with_helpers = [cell for cell in shown if names([cell], ast.Load) & COURSE_HELPERS]
    assert len(with_docker) >= len(with_helpers)


def uses_sdk(cell: nbformat.NotebookNode) -> bool:
    return bool(re.search(r"\bdocker\.from_env\(|\bclient\.", python(cell)))


def docker_commands(source: str) -> list[str]:
    """Return the commands of `%docker` lines and of a `%%docker` cell, without `docker`."""
    text = source.replace("\\\n", " ")
    if text.startswith("%%docker"):
        lines = [line.removeprefix("docker ") for line in text.splitlines()[1:] if line.strip()]
    else:
        lines = re.findall(r"^\s*%docker\s+(.+)$", text, re.MULTILINE)
    return [MAGIC_OPTIONS.sub("", line.strip()) for line in lines]


def subcommand_and_options(command: str) -> tuple[str, set[str]]:
    """Return `image ls` and {"-q"} for `image ls -q NAME`; `-aq` counts as `-a` and `-q`."""
    words = shlex.split(command, comments=True)
    plain = [word for word in words if not word.startswith("-")]
    options: set[str] = set()
    for word in words:
        if re.fullmatch(r"-[a-zA-Z]+", word):
            options |= {f"-{letter}" for letter in word[1:]}
        elif word.startswith("--") and len(word) > 2:
            options.add(word.split("=")[0])
    return " ".join(plain[: 2 if plain[0] in GROUPS else 1]), options


def section(notebook: nbformat.NotebookNode, heading: str) -> str:
    """Return the text of one `##` section."""
    cells = itertools.dropwhile(
        lambda cell: not cell.source.startswith(f"## {heading}"), notebook.cells
    )
    first = next(cells, None)
    rest = itertools.takewhile(lambda cell: not is_heading(cell), cells)
    return "\n".join(
        cell.source for cell in ([first, *rest] if first else []) if cell.cell_type == "markdown"
    )


def recap_commands(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the docker commands in the table of the recap, without `docker`."""
    rows = re.findall(r"^\|.*$", section(notebook, "Recap"), re.MULTILINE)
    return re.findall(r"`docker ([^`]+)`", "\n".join(rows).replace("\\|", "|"))


def test_recap_commands_were_run(notebook: nbformat.NotebookNode) -> None:
    """A command of the recap was run with these options, in one or several cells."""
    was_run: dict[str, set[str]] = {}
    for cell in code(notebook):
        for command in docker_commands(cell.source):
            subcommand, options = subcommand_and_options(command)
            was_run.setdefault(subcommand, set()).update(options)
    for command in recap_commands(notebook):
        subcommand, options = subcommand_and_options(command)
        assert subcommand in was_run, f"no cell runs docker {command}"
        assert options <= was_run[subcommand], f"docker {command}: {options - was_run[subcommand]}"


def test_recap_has_commands(notebook: nbformat.NotebookNode) -> None:
    assert recap_commands(notebook), "the recap has no table of docker commands"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("%docker run -d --name=web -p 5005:5000 app", ("run", {"-d", "--name", "-p"})),
        ("%docker --fails image ls -aq", ("image ls", {"-a", "-q"})),
        ('%docker --until "Running on" run --rm app', ("run", {"--rm"})),
        ("%%docker\ndocker compose up \\\n  --build", ("compose up", {"--build"})),
        ("%%docker --fails\nbuild -t x .", ("build", {"-t"})),
        ("experiment = 1\n%docker ps # now", ("ps", set())),
    ],
)
def test_commands_are_read(source: str, expected: tuple[str, set[str]]) -> None:
    (command,) = docker_commands(source)
    assert subcommand_and_options(command) == expected


def test_sections_have_minutes_and_notes(notebook: nbformat.NotebookNode) -> None:
    for cells in sections(notebook):
        heading, _, text = cells[0].source.partition("\n")
        if heading.removeprefix("## ") in NOT_TAUGHT:
            continue
        assert re.search(r"\d (more )?minutes?\b", text), f"{heading}: how many minutes?"
        assert any(slide_type(cell) == "notes" for cell in cells), f"{heading}: no speaker notes"


def sections(notebook: nbformat.NotebookNode) -> list[list[nbformat.NotebookNode]]:
    """Return the cells of each `##` section, its heading first."""
    result: list[list[nbformat.NotebookNode]] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            result.append([])
        if result:
            result[-1].append(cell)
    return result


def test_last_sections_exist(notebook: nbformat.NotebookNode) -> None:
    headings = [cells[0].source.splitlines()[0].removeprefix("## ") for cells in sections(notebook)]
    assert [heading for heading in headings if heading in LAST_SECTIONS] == LAST_SECTIONS


def test_predictions_have_options(notebook: nbformat.NotebookNode) -> None:
    for number, cell in enumerate(notebook.cells):
        is_legend = 'class="explain"' in cell.source
        if 'class="predict"' not in cell.source or is_legend:
            continue
        options = re.findall(r"(?:^>|<br>)\s*[A-Z]\) ", cell.source, re.MULTILINE)
        following = next((c for c in notebook.cells[number:] if c.cell_type == "code"), None)
        has_widget = following is not None and "exercise(" in following.source
        assert len(options) >= 2 or has_widget, cell.source


def test_ignored_output_is_followed_by_facts(notebook: nbformat.NotebookNode) -> None:
    assert "nbval_ignore_output" not in str(notebook.metadata)
    for number, cell in enumerate(notebook.cells):
        if (
            is_compared(cell)
            or not shows_result(cell)
            or "nbval-skip" in cell.metadata.get("tags", [])
        ):
            continue
        following = notebook.cells[number + 1 :]
        section = list(itertools.takewhile(lambda later: not is_heading(later), following))
        assert any(map(is_compared, section)), (
            f"no cell is compared between this one and the next heading: {cell.source}"
        )


def is_heading(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "markdown" and cell.source.startswith("#")


def is_compared(cell: nbformat.NotebookNode) -> bool:
    ignored = {"nbval-ignore-output", "nbval-skip"} & set(cell.metadata.get("tags", []))
    return cell.cell_type == "code" and bool(cell.outputs) and not ignored


def shows_result(cell: nbformat.NotebookNode) -> bool:
    """Return whether a cell shows a result; a widget is stored only as an id of that run."""
    return any(
        output.output_type == "execute_result"
        and "application/vnd.jupyter.widget-view+json" not in output.data
        for output in cell.get("outputs", [])
    )


def test_no_home_folder_is_stored(notebook: nbformat.NotebookNode) -> None:
    text = nbformat.writes(notebook)
    assert not re.search(r"/(root|home/\w+|Users/\w+)/", text)
