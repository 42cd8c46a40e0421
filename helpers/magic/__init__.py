"""`%docker` and `%%docker`: docker command lines in a cell, typed as in a terminal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from helpers.errors import CourseError, DockerCommandStopped
from helpers.magic.execute import judge, run, run_all
from helpers.magic.parse import magic_options, plan, plans
from helpers.magic.words import split_commands

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


@magics_class
class DockerMagic(Magics):
    """The magics that run docker commands in a cell."""

    @no_var_expand
    @line_cell_magic
    def docker(self, line: str, cell: str | None = None) -> None:
        """Run docker as in a terminal, in the current folder: `%docker ps`.

        `%%docker` runs the lines below it in order, each with or without the word docker, and
        stops at the first failure. Options before the subcommand, or on the %%docker line for all
        commands: --until TEXT (stop once this is printed), --for SECONDS (stop after this time),
        --fails (expect a failure).
        """
        try:
            _run_line(line) if cell is None else _run_body(line, cell)
        except KeyboardInterrupt:  # before or after the command itself
            raise DockerCommandStopped("stopped") from None


def _run_line(line: str) -> None:
    from helpers.engine.find import connect

    engine = connect()
    command = plan(line, engine)
    judge(command, run(command, command.options, engine), command.options, engine)


def _run_body(line: str, cell: str) -> None:
    from helpers.engine.find import connect

    heads = split_commands(line, os.environ, str(Path.cwd()))
    options, rest = magic_options(heads[0].words if heads else ())
    if rest:
        raise CourseError(
            f"The %%docker line takes only --until, --for and --fails: {line}",
            "Put the commands on the lines below it.",
        )
    engine = connect()
    commands = plans(cell, engine)
    if not commands:
        raise CourseError("This cell has no docker command", "Example: docker ps")
    run_all(commands, options, engine)


def load(ipython: InteractiveShell) -> None:
    """Register `%docker` and `%%docker` with this IPython."""
    ipython.register_magics(DockerMagic)
