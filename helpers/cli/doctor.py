"""Check Python, the engine and its plugins, disk space and ports.

Shows the command that fixes each problem. The exit code is 2 if there is a problem.
"""

from __future__ import annotations

import argparse

from helpers.errors import ExitCode
from helpers.experiments.doctor.measure import examine


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    report = examine()
    print(report.text())
    return ExitCode.SUCCESS if report.ok else ExitCode.CANNOT_RUN
