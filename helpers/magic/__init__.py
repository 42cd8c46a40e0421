"""`%docker` and `%%docker`: docker command lines in a cell, as one types them in a terminal.

Only IPython's side: takes the text, finds the engine, hands over to `parse` and `execute`. Knows
nothing of docker's options.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from helpers.errors import CourseError
from helpers.magic.execute import DockerCommandFailed, DockerCommandStopped, judge, run, run_all
from helpers.magic.parse import own_options, plan, plans
from helpers.magic.words import split_commands

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["DockerCommandFailed", "DockerCommandStopped", "DockerMagic", "load"]


@magics_class
class DockerMagic(Magics):
    """Docker in a cell."""

    @no_var_expand
    @line_cell_magic
    def docker(self, line: str, cell: str | None = None) -> None:
        """Run docker as in a terminal, in the current folder: `%docker ps`.

        `%%docker` runs the lines below it in order, each with or without the word docker, and
        stops at the first failure. Before the subcommand, or on the %%docker line for all:
        --until TEXT (stop once this is printed), --for SECONDS (stop then), --fails (a failure
        is expected).
        """
        try:
            _line(line) if cell is None else _body(line, cell)
        except KeyboardInterrupt:       # before or after the command itself
            raise DockerCommandStopped("stopped") from None


def _line(line: str) -> None:
    from helpers.engine.find import connect

    engine = connect()
    one = plan(line, engine)
    judge(one, run(one, one.options, engine), one.options)


def _body(line: str, cell: str) -> None:
    from helpers.engine.find import connect

    heads = split_commands(line, os.environ, os.getcwd())  # noqa: PTH109 - text for a command
    options, rest = own_options(heads[0].words if heads else ())
    if rest:
        raise CourseError(f"On the %%docker line only --until, --for and --fails: {line}",
                          "Put the commands on the lines below it.")
    engine = connect()
    found = plans(cell, engine)
    if not found:
        raise CourseError("There is no docker command in this cell", "For instance: docker ps")
    run_all(found, options, engine)


def load(ipython: InteractiveShell) -> None:
    """Register `%docker` and `%%docker` with this IPython."""
    ipython.register_magics(DockerMagic)
