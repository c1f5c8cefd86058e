"""Where each rule of a Cedar file begins, since the engine's own errors carry no line.

A lexer for Cedar's tokens: enough to cut a file at the semicolons that end a rule, and to place an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from remit.errors import BadInput, Finding

__all__ = ["Statement", "split_statements"]

TOKENS_MAX: Final = 4000
NESTING_MAX: Final = 64
_TOKEN: Final = re.compile(
    r'(?P<skip>\s+|//[^\n]*)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[A-Za-z_][A-Za-z0-9_]*|\d+)'
    r"|(?P<sign>::|==|!=|<=|>=|&&|\|\||[@(){}\[\],;.<>!+*%/:?=|&-])",
    re.DOTALL,
)
_Token = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Statement:
    """One rule as written: its text and where it stands."""

    file: str
    text: str
    line: int
    column: int
    tokens: tuple[_Token, ...]
    """Each token and its offset in ``text``."""

    def finding(self, offset: int, what: str, advice: str = "", severity: str = "error") -> Finding:
        """Say what is wrong at ``offset`` of the text."""
        line, column = _place(self.text, offset)
        column = column + self.column - 1 if line == 1 else column
        return Finding(self.file, self.line + line - 1, column, what, advice, severity)

    def offset_of(self, *words: str) -> int:
        """The offset of the first place where ``words`` follow each other as tokens; 0 when there is none."""
        size = len(words)
        for index in range(len(self.tokens) - size + 1):
            if all(self.tokens[index + step][0] == words[step] for step in range(size)):
                return self.tokens[index][1]
        return 0

    def quoted_offset(self, words: str) -> int:
        """The offset of a word that an error message quotes and this rule holds; 0 when there is none."""
        for one, other in re.findall(r"`([^`]+)`|: (\w+)$", words):
            quoted = one or other
            for word in (quoted, *re.findall(r'"[^"]*"$|\w+$', quoted)):
                offset = self.offset_of(word)
                if offset:
                    return offset
        return 0

    def error_offset(self, parse: Callable[[str], object], words: str) -> int:
        """Where the error is for which ``parse`` gave ``words``.

        For a syntax error, the last token of the shortest beginning that fails otherwise than by ending too
        soon, found by halving; for any other, what the message quotes.
        """
        if "unexpected" not in words:
            return self.quoted_offset(words)
        low, high = 1, len(self.tokens)
        while low < high:
            middle = (low + high) // 2
            if self._ends_too_soon(parse, middle):
                low = middle + 1
            else:
                high = middle
        # The engine may look one token further than the one it names.
        named = re.search(r"unexpected token `(.+)`", words, re.DOTALL)
        for word, offset in reversed(self.tokens[:low]):
            if named is not None and word == named[1]:
                return offset
        return self.tokens[low - 1][1]

    def _ends_too_soon(self, parse: Callable[[str], object], count: int) -> bool:
        word, offset = self.tokens[count - 1]
        try:
            parse(self.text[: offset + len(word)])
        except BadInput as error:
            return "unexpected end" in str(error)
        return True


def split_statements(file: str, text: str) -> tuple[list[Statement], list[Finding]]:
    """Cut a Cedar file into its rules; what is not a token of Cedar ends the reading with a finding."""
    statements: list[Statement] = []
    found: list[Finding] = []
    tokens: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            line, column = _place(text, at)
            what = "a text that does not end" if text[at] == '"' else f"not a token of Cedar: {text[at]!a}"
            found.append(Finding(file, line, column, what))
            return statements, found
        if match.lastgroup != "skip":
            tokens.append((match[0], at))
        at = match.end()
        if match[0] == ";":
            _close(file, text, tokens, statements, found)
            tokens = []
    if tokens:
        _close(file, text, tokens, statements, found)
    return statements, found


def _close(file: str, text: str, tokens: list[_Token], statements: list[Statement], found: list[Finding]) -> None:
    start = tokens[0][1]
    last, offset = tokens[-1]
    line, column = _place(text, start)
    own = tuple((word, at - start) for word, at in tokens)
    # The engine's parser recurses on the machine's stack: what nests deep must not reach it.
    if len(own) > TOKENS_MAX or _nesting(own) > NESTING_MAX:
        what = f"a rule longer than {TOKENS_MAX} tokens or nested deeper than {NESTING_MAX}"
        found.append(Finding(file, line, column, what, "split it"))
    else:
        statements.append(Statement(file, text[start : offset + len(last)], line, column, own))


def _nesting(tokens: tuple[_Token, ...]) -> int:
    depth = deepest = 0
    for word, _ in tokens:
        if word in ("(", "[", "{", "if"):
            depth += 1
            deepest = max(deepest, depth)
        elif word in (")", "]", "}"):
            depth -= 1
    return deepest


def _place(text: str, offset: int) -> tuple[int, int]:
    line = text.count("\n", 0, offset) + 1
    return line, offset - (text.rfind("\n", 0, offset) + 1) + 1
