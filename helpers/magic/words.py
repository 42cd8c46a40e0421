"""Split text into words as a shell does: quotes, escapes, comments, $VAR, $(pwd), ~.

Pipes, redirections and other shell syntax are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from helpers.errors import CourseError

TERMINAL = "use a terminal (File > New > Terminal)"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Words:
    """One command line: as typed, and its words as a shell passes them on."""

    typed: str
    words: tuple[str, ...]


def split_commands(text: str, env: Mapping[str, str], cwd: str) -> list[Words]:
    """Return the command lines of `text`, their words split and expanded as a shell does.

    Raises CourseError for shell syntax (`|`, `>`, `&&`, `$(…)`) and for an open quote.
    """
    return list(_Splitter(text, env, cwd).commands())


class _Splitter:
    """Read shell text one character at a time: quotes, escapes, comments, expansions."""

    def __init__(self, text: str, env: Mapping[str, str], cwd: str) -> None:
        self.text, self.env, self.cwd = text, {**env, "PWD": cwd}, cwd
        self.at = 0
        self.words: list[str] = []
        self.word: str | None = None  # None between words; "" is the empty word ''

    def commands(self) -> Iterator[Words]:
        start = 0
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\n":
                yield from self.command(start)
                start = self.at = self.at + 1
            elif char == "#" and self.word is None:
                self.skip_comment()
                start = self.at if not self.words else start
            else:
                self.character(char)
        yield from self.command(start)

    def skip_comment(self) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def command(self, start: int) -> Iterator[Words]:
        self.end_word()
        if self.words:
            typed = re.sub(r"\s*\\\n\s*", " ", self.text[start : self.at]).strip()
            yield Words(typed, tuple(self.words))
        self.words = []

    def end_word(self) -> None:
        if self.word is not None:
            self.words.append(self.word)
        self.word = None

    def add(self, text: str) -> None:
        self.word = (self.word or "") + text

    def character(self, char: str) -> None:
        following = self.text[self.at + 1 : self.at + 2]
        if char in " \t\r":
            self.end_word()
        elif char == "\\":
            if following != "\n":
                self.add(following or "\\")
            self.at += 1
        elif char in "'\"":
            self.quoted(char)
            return
        elif char in "|<>&;":
            raise CourseError(
                f"%docker runs docker commands without a shell, so `{char}` doesn't work here; "
                f"{TERMINAL}"
            )
        elif char in "$`":
            self.split_fields(self.expansion())
            return
        elif char == "~" and self.word is None and (not following or following in "/ \t\n"):
            self.add(str(Path.home()))
        else:
            self.add(char)
        self.at += 1

    def split_fields(self, value: str) -> None:
        """Add an expansion outside quotes, split at white space as a shell does."""
        for piece in re.findall(r"\s+|\S+", value):
            if piece.isspace():
                self.end_word()
            else:
                self.add(piece)

    def quoted(self, quote: str) -> None:
        opened = self.at
        self.add("")
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            following = self.text[self.at + 1 : self.at + 2]
            if char == quote:
                self.at += 1
                return
            if quote == '"' and char == "\\" and following and following in '"\\$`\n':
                self.add("" if following == "\n" else following)
                self.at += 2
            elif quote == '"' and char in "$`":
                self.add(self.expansion())
            else:
                self.add(char)
                self.at += 1
        raise CourseError(
            f"This quote is never closed: {self.text[opened : opened + 30]}",
            f"Add the closing {quote}",
        )

    def expansion(self) -> str:
        """Return the value of what starts at `$` or a backtick, and move past it."""
        rest = self.text[self.at :]
        for command in ("$(pwd)", "`pwd`"):
            if rest.startswith(command):
                self.at += len(command)
                return self.cwd
        if rest.startswith(("`", "$(")):
            raise CourseError(
                "%docker runs docker commands without a shell and supports $(pwd) but no other "
                f"$(…) or `…`; {TERMINAL}"
            )
        if rest.startswith("${"):
            name, closed, _ = rest[2:].partition("}")
            if not closed or not NAME.fullmatch(name):
                raise CourseError(
                    f"%docker supports ${{NAME}}, but nothing else between the braces; {TERMINAL}"
                )
            self.at += len(name) + 3
            return self.env.get(name, "")
        match = NAME.match(rest[1:])
        self.at += 1 + (match.end() if match else 0)
        return self.env.get(match.group(), "") if match else "$"
