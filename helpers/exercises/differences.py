"""Compares two texts line by line, for two columns side by side."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import zip_longest


def compare_lines(mine: str, theirs: str) -> list[tuple[str, str, bool]]:
    """Return rows of (line of mine, line of theirs, whether they are the same).

    A line without a counterpart is paired with "".
    """
    left, right = mine.rstrip().splitlines(), theirs.rstrip().splitlines()
    return [
        (one, other, operation == "equal")
        for operation, *(a, b, c, d) in SequenceMatcher(None, left, right, False).get_opcodes()
        for one, other in zip_longest(left[a:b], right[c:d], fillvalue="")
    ]
