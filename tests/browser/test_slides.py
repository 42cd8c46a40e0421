"""Each slide, with its outputs, fits 1280×720 in `present`.

The chapters of `LIVE` are stepped through by key, the cells run on the way, once, and a second walk in
the dark theme finds their outputs. The others show the outputs of their last run, which `rehearse
--save` has stored: nbval runs their cells, and the tests of a chapter run those that have something to
show in a browser. They go from the end of one slide to the end of the next, in the light theme only:
of 421 slides that were measured in both, each had the same size.

LIVE_SLIDES names the chapters whose cells run, such as "01 04" (04 on the containerd image store). With
STORED_SLIDES=1, none do, and there is a screenshot of each slide in both themes.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Error, Page, expect

from helpers.cli import present, work
from helpers.engine.engine import Engine
from tests.browser.conftest import serve, trust
from tests.browser.loading import ATTEMPTS, open_page

pytestmark = [pytest.mark.engine, pytest.mark.browser]

STORED_ONLY = bool(os.environ.get("STORED_SLIDES"))
LIVE = () if STORED_ONLY else tuple(os.environ.get("LIVE_SLIDES", "00").split())
CELL_SECONDS = 300
HEIGHT = 680  # below that are the slide's number and the arrows
CHAPTERS = sorted(path.stem for path in work.SOURCE.glob("*.ipynb"))

NOTEBOOK = "window.jupyterapp.shell.currentWidget.content"
# Where the deck's key bindings apply; a key that is pressed before the focus is there is lost.
TAKES_KEYS = ".jp-Notebook.jp-mod-commandMode:not(.jp-mod-readWrite) :focus"
MEASURE = """() => {
  const cells = [...document.querySelectorAll(
    '.jp-Deck .jp-Cell.jp-deck-mod-visible:not(.jp-deck-mod-layer)')];
  const boxes = cells.map(cell => cell.getBoundingClientRect());
  const height = Math.max(...boxes.map(box => box.bottom)) - Math.min(...boxes.map(box => box.top));
  const wide = cells.flatMap(cell => [...cell.querySelectorAll(
    '.cm-scroller, .jp-OutputArea-output, .jp-RenderedHTMLCommon, table, pre, img, svg')])
    .filter(part => part.getClientRects().length)
    .filter(part => part.scrollWidth > part.clientWidth + 1 && part.clientWidth
      || part.getBoundingClientRect().right > innerWidth)
    .map(part => `${part.localName}.${part.classList[0] || ''} ${part.scrollWidth} px`);
  const number = document.querySelector('.jp-Deck .jp-deck-mod-layer.jp-deck-mod-visible');
  return {
    number: number ? number.innerText.trim() : '',
    height: Math.round(height),
    wide: [...new Set(wide)],
    missing: [
      ...cells.flatMap(cell => [...cell.querySelectorAll('img')])
        .filter(image => !image.complete).map(image => image.src),
      ...cells.flatMap(cell => [...cell.querySelectorAll('.jp-OutputArea-output.lm-Panel')])
        .filter(widget => !widget.offsetHeight || /^(Loading|Error displaying) widget/.test(widget.innerText))
        .map(widget => widget.innerText || 'empty widget'),  // only widgets are panels
    ],
  };
}"""
WIDGET = "application/vnd.jupyter.widget-view+json"
# JupyterLab asks the kernel for its widgets before it loads those that the notebook has stored. If an
# answer of the kernel is lost, it loads none, and their outputs stay at "Loading widget...".
HAS_WIDGETS = f"""async () => {{
  const notebook = {NOTEBOOK};
  const ids = [...notebook.model.cells].filter(cell => cell.type === 'code')
    .flatMap(cell => cell.outputs.toJSON()).map(output => output.data?.['{WIDGET}']?.model_id);
  try {{
    const late = new Promise((resolve, reject) => setTimeout(reject, 100));
    const manager = notebook.rendermime.createRenderer('{WIDGET}')._manager.promise;
    const loaded = await Promise.race([manager, late]);
    return ids.every(id => !id || loaded.has_model(id));
  }} catch {{ return false; }}
}}"""
DRAW_WIDGETS = f"""() => {NOTEBOOK}.widgets.map(cell => cell.outputArea?.model)
  .filter(model => model?.toJSON().some(output => output.data?.['{WIDGET}']))
  .forEach(model => model.fromJSON(model.toJSON()))"""


@dataclass(frozen=True)
class Deck:
    """A chapter as `present` shows it, and which of its cells are stops."""

    page: Page
    name: str
    cells: list[nbformat.NotebookNode]
    is_live: bool

    def stops(self) -> list[int]:
        """Return the indexes of the cells on which Space stops."""
        types = ("slide", "subslide", "fragment")
        return [i for i, cell in enumerate(self.cells) if present.slide_type(cell) in types]

    def run_cell(self) -> None:
        """Run the active cell with Ctrl-Enter and wait for its end."""
        self.page.keyboard.press("Control+Enter")
        prompt = self.page.locator(".jp-Cell.jp-mod-active .jp-InputPrompt")
        expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=CELL_SECONDS * 1000)
        errors = self.page.locator(".jp-Cell.jp-mod-active [data-mime-type*='error']")
        assert errors.count() == 0, errors.first.inner_text()

    def wait_until_active(self, index: int) -> None:
        """Wait until a cell is the active one, is shown, and the deck takes keys."""
        shown = f"{NOTEBOOK}.activeCell.node.getClientRects().length"
        takes_keys = f"document.querySelector({TAKES_KEYS!r})"
        try:
            self.page.wait_for_function(
                f"{NOTEBOOK}.activeCellIndex === {index} && {shown} && {takes_keys}", timeout=20_000
            )
        except Error:
            active = self.page.evaluate(f"{NOTEBOOK}.activeCellIndex")
            dialogs = self.page.locator(".jp-Dialog").all_inner_texts()
            focus = self.page.evaluate("document.activeElement.className")
            classes = self.page.evaluate(f"{NOTEBOOK}.node.className")
            pytest.fail(
                f"cell {active} is active, not {index}; focus: {focus}; notebook: {classes}; {dialogs}"
            )

    def measure(self, number: str) -> dict:
        """Return the size of what is on the slide with this number, once it no longer changes."""
        size: dict = {}
        for _ in range(30):
            previous, size = size, self.page.evaluate(MEASURE)
            if size == previous and not size["missing"] and size["number"] == number:
                return size
            self.page.wait_for_timeout(100)
        pytest.fail(f"slide {number} of {self.name} is not shown or changes: {size}")

    def choose_theme(self, theme: str) -> None:
        """Choose a theme; this JupyterLab opens the next deck in it, too."""
        change = "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })"
        self.page.evaluate(change, f"JupyterLab {theme}")

    def restart(self) -> None:
        """Start the slides again, from the first."""
        self.page.evaluate(
            "async () => { const { commands, shell } = window.jupyterapp;"
            "  await commands.execute('deck:stop');"
            "  shell.currentWidget.content.activeCellIndex = 0;"
            "  await commands.execute('deck:start'); }"
        )
        self.page.wait_for_timeout(1500)
        self.page.locator(".jp-deck-mod-visible h1").click()

    def walk(self, folder: Path, theme: str, *, run: bool, by_key: bool) -> list[str]:
        """Go through the deck; return a line for each slide that does not fit.

        Each step by the key of a presenter, or from the end of one slide to the end of the next.
        """
        problems = []
        *stops, end = self.stops()
        count = sum(present.starts_slide(self.cells[index]) for index in stops)
        number = 0
        for index, following in itertools.pairwise([*stops, end]):
            number += present.starts_slide(self.cells[index])
            is_whole = present.starts_slide(self.cells[following])  # all of this slide is shown
            if not (by_key or is_whole):
                continue
            if not by_key:
                self.page.evaluate(f"{NOTEBOOK}.activeCellIndex = {index}")
            self.wait_until_active(index)
            if run and self.cells[index].cell_type == "code":
                self.run_cell()
            if is_whole:
                size = self.measure(f"{number} / {count}")
                name = f"slide-{self.name[:2]}-{number:02}-{theme}.png"
                fits = size["height"] <= HEIGHT and not size["wide"]
                if not fits:
                    problems.append(f"{name}: {size['height']} px high, too wide: {size['wide']}")
                if STORED_ONLY or not fits:
                    self.page.screenshot(path=folder / name)
            if by_key:
                self.page.keyboard.press("Space")
        return problems


@pytest.fixture(scope="module")
def stored(
    private_engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """Serve decks of all chapters with their stored outputs; yield the address and token."""
    root = tmp_path_factory.mktemp("decks")
    (root / "notebooks").mkdir()
    for chapter in work.all_chapters():
        deck = root / "notebooks" / chapter.name
        nbformat.write(present.as_deck(nbformat.read(chapter, as_version=4)), deck)
        trust(deck, root)
    with serve(private_engine, root, presenting=True) as address_and_token:
        yield address_and_token


@pytest.fixture(scope="module", params=CHAPTERS)
def deck(
    request: pytest.FixtureRequest, page: Page, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deck]:
    """Yield a chapter that `present` has just opened."""
    name = request.param
    if not name.startswith(LIVE):
        yield open_deck(page, name, *request.getfixturevalue("stored"), is_live=False)
        return
    root = tmp_path_factory.mktemp("deck")
    present.lay_out(root, f"{name}.ipynb")
    engine = request.getfixturevalue("user_engine" if name[:2] == "04" else "private_engine")
    with serve(engine, root, presenting=True) as (address, token):
        yield open_deck(page, name, address, token, is_live=True)


def open_deck(page: Page, name: str, address: str, token: str, *, is_live: bool) -> Deck:
    """Open a deck in its own workspace: JupyterLab opens what one had open before."""
    notebook = f"{address}/lab/workspaces/{name[:2]}/tree/notebooks/{name}.ipynb?token={token}"
    for attempt in range(1, ATTEMPTS + 1):
        open_page(page, notebook, page.locator(".jp-deck-mod-visible").first)
        page.wait_for_function(
            f"{NOTEBOOK}.parent.sessionContext.session?.kernel?.status === 'idle'", timeout=120_000
        )
        if has_widgets(page):
            break
        assert attempt < ATTEMPTS, f"{name}: JupyterLab does not load the widgets that are stored"
    page.evaluate(DRAW_WIDGETS)
    # At each step, JupyterLab resets the cursor of every cell, and each reset forces a new layout. That
    # takes two thirds of the time of a walk, and no slide shows a cursor.
    page.evaluate(f"() => {{ {NOTEBOOK}._trimSelections = () => {{}}; }}")
    page.add_style_tag(content=".jupyter-widgets-disconnected::before { display: none }")
    page.wait_for_timeout(1500)  # the deck closes the side bars after a second
    cells = page.evaluate(f"{NOTEBOOK}.model.toJSON().cells")
    return Deck(page, name, [nbformat.from_dict(cell) for cell in cells], is_live)


def has_widgets(page: Page) -> bool:
    """Return whether the stored widgets of the notebook are loaded within 30 seconds."""
    for _ in range(150):
        if page.evaluate(HAS_WIDGETS):
            return True
        page.wait_for_timeout(200)
    return False


def test_opens_as_slides(deck: Deck) -> None:
    """The first slide is there without a click: large text, no side bars, no imports, no notes."""
    expect(deck.page.locator(".jp-RenderedHTMLCommon h1:visible")).to_have_count(1)
    assert deck.page.locator(".jp-CodeCell.jp-deck-mod-visible").count() == 0
    text = deck.page.locator(".jp-deck-mod-visible p").first
    assert text.evaluate("text => parseFloat(getComputedStyle(text).fontSize)") >= 20
    for chrome in (".jp-SideBar", "#jp-left-stack", ".jp-NotebookPanel-toolbar"):
        assert deck.page.locator(f"{chrome}:visible").count() == 0


def test_slides_fit(deck: Deck, artifacts: Path) -> None:
    problems = deck.walk(artifacts, "light", run=deck.is_live, by_key=deck.is_live)
    if deck.is_live or STORED_ONLY:
        deck.choose_theme("Dark")
        deck.restart()
        problems += deck.walk(artifacts, "dark", run=False, by_key=deck.is_live)
        deck.choose_theme("Light")
    assert not problems, "\n".join(["screenshots: " + str(artifacts), *problems])
