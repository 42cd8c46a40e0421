"""Text to words as a shell would pass them on: quotes, escapes, comments, $VAR, $(pwd), ~.

Pure, and knows nothing of Docker: it has a shell's words, not a shell's pipes or redirections.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from helpers.errors import CourseError

TERMINAL = "use a terminal (File > New > Terminal)"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Words:
    """One command line of a text: as typed, and its words as a shell would pass them on."""

    typed: str
    words: tuple[str, ...]


def split_commands(text: str, env: Mapping[str, str], cwd: str) -> list[Words]:
    """The command lines of `text`, words split and expanded as a shell would.

    Raises CourseError for what needs a shell (`|`, `>`, `&&`, `$(…)`) and for an open quote.
    """
    return list(_Splitter(text, env, cwd).commands())


class _Splitter:
    """Reads shell text one character at a time: quotes, escapes, comments, expansions."""

    def __init__(self, text: str, env: Mapping[str, str], cwd: str) -> None:
        self.text, self.env, self.cwd = text, {**env, "PWD": cwd}, cwd
        self.at = 0
        self.words: list[str] = []
        self.word: str | None = None      # None between words; "" is the empty word ''

    def commands(self) -> Iterator[Words]:
        start = 0
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "\n":
                yield from self.command(start)
                start = self.at = self.at + 1
            elif char == "#" and self.word is None:
                self.skip_comment(start)
                start = self.at if not self.words else start
            else:
                self.character(char)
        yield from self.command(start)

    def skip_comment(self, start: int) -> None:
        end = self.text.find("\n", self.at)
        self.at = len(self.text) if end < 0 else end

    def command(self, start: int) -> Iterator[Words]:
        self.end_word()
        if self.words:
            typed = re.sub(r"\s*\\\n\s*", " ", self.text[start:self.at]).strip()
            yield Words(typed, tuple(self.words))
        self.words = []

    def end_word(self) -> None:
        if self.word is not None:
            self.words.append(self.word)
        self.word = None

    def add(self, text: str) -> None:
        self.word = (self.word or "") + text

    def character(self, char: str) -> None:
        following = self.text[self.at + 1:self.at + 2]
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
            raise CourseError(f"%docker runs one docker command without a shell, so `{char}` "
                              f"has no meaning here; {TERMINAL}")
        elif char in "$`":
            self.split_fields(self.expansion())
            return
        elif char == "~" and self.word is None and (not following or following in "/ \t\n"):
            self.add(os.path.expanduser("~"))  # noqa: PTH111 - a word, not a path
        else:
            self.add(char)
        self.at += 1

    def split_fields(self, value: str) -> None:
        """An expansion outside quotes: the shell splits it at white space."""
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
            following = self.text[self.at + 1:self.at + 2]
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
        raise CourseError(f"A quote is opened and not closed: {self.text[opened:opened + 30]}",
                          f"Add the closing {quote}")

    def expansion(self) -> str:
        """The value of what starts at `$` or a backtick; moves past it."""
        rest = self.text[self.at:]
        for spelled in ("$(pwd)", "`pwd`"):
            if rest.startswith(spelled):
                self.at += len(spelled)
                return self.cwd
        if rest.startswith(("`", "$(")):
            raise CourseError("%docker runs one docker command without a shell; of $(…) and `…` "
                              f"it knows only $(pwd). For others {TERMINAL}")
        if rest.startswith("${"):
            name, closed, _ = rest[2:].partition("}")
            if not closed or not NAME.fullmatch(name):
                raise CourseError("%docker knows ${NAME}, without anything more in the braces; "
                                  f"for others {TERMINAL}")
            self.at += len(name) + 3
            return self.env.get(name, "")
        found = NAME.match(rest[1:])
        self.at += 1 + (found.end() if found else 0)
        return self.env.get(found.group(), "") if found else "$"
