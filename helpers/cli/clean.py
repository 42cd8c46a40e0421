"""Remove the containers, networks, volumes and images that the course created.

On your engine, these are the ones with the course's label. On the private engine, objects that you
created yourself are removed too; the base images stay.
"""

from __future__ import annotations

import argparse

from helpers.engine import cleanup, find
from helpers.engine.private import PrivateEngine
from helpers.errors import ExitCode
from helpers.vm import accelerator


def run(args: argparse.Namespace) -> int:
    """Remove everything, start the private engine for it if needed, and print what was removed."""
    if find.find_user_engine() is None and not PrivateEngine().root.is_dir():
        print(
            "Nothing to clean: no Docker Engine is running, and there is no private engine. "
            "If you used your own engine, start it and run this command again."
        )
        return ExitCode.SUCCESS
    accelerator.forget()
    engine = find.connect()
    print(cleanup.clean(engine, also_unlabelled=engine.kind == "private").text())
    return ExitCode.SUCCESS
