"""Read a question's text by a grammar, and say where and why it cannot be read.

Every language has a limit of length: a text is read in a time that grows with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken
from lark.lexer import PatternStr

from exporter.errors import WrongQueryError

TEXT_CHARS_MAX = 10_000
"""A selector or query that a person or a panel writes has a few hundred characters."""

_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL
)
_PLAIN = dict(zip("abfnrtv\\\"'`", "\a\b\f\n\r\t\v\\\"'`", strict=True))
_EXPECTED_MAX = 12
_END = "$END"


def read(text: str, grammar: str, names: Mapping[str, str]) -> Tree[Token]:
    """Return the tree of a text; raise WrongQueryError that shows the place.

    `grammar` is a file below this package; `names` says what its terminals are to a person.
    """
    if len(text) > TEXT_CHARS_MAX:
        raise WrongQueryError(f"the text has more than {TEXT_CHARS_MAX} characters")
    try:
        return _parser(grammar).parse(text)
    except UnexpectedInput as error:
        position = _position(error, text)
        shown = {**_literals(grammar), **names}
        raise wrong(_problem(error, shown), text, position) from None


def wrong(problem: str, text: str, position: int) -> WrongQueryError:
    """Return the error whose message shows the place, counted from 0, in the text."""
    before = text[:position]
    line_start = before.rfind("\n") + 1
    line = text[line_start:].split("\n", 1)[0]
    column = position - line_start
    # One space for each character, but a tab stays one, so that the mark stands below its place.
    margin = "".join("\t" if c == "\t" else " " for c in line[:column])
    where = f"line {before.count(chr(10)) + 1}, column {column + 1}"
    return WrongQueryError(f"{problem} ({where})\n{line}\n{margin}^", position=position)


def unquote(token: Token, text: str) -> str:
    """Return the text of a quoted literal, as Go reads it; raise WrongQueryError."""
    inside = token[1:-1]
    if token[0] == "`":
        return inside

    def plain(found: re.Match[str]) -> str:
        short, four, eight, octal, sign = found.groups()
        if sign is not None:
            if sign in _PLAIN:
                return _PLAIN[sign]
            place = (token.start_pos or 0) + 1 + found.start()
            raise wrong(f"\\{sign} is no escape; write \\\\{sign} for both characters", text, place)
        number = int(octal, 8) if octal else int(short or four or eight, 16)
        if number > 0x10FFFF or 0xD800 <= number < 0xE000:
            place = (token.start_pos or 0) + 1 + found.start()
            raise wrong("no such character", text, place)
        return chr(number)

    return _ESCAPE.sub(plain, inside)


@cache
def _parser(grammar: str) -> Lark:
    text = (resources.files("exporter.query") / grammar).read_text(encoding="utf-8")
    return Lark(text, parser="lalr", lexer="contextual", propagate_positions=True)


@cache
def _literals(grammar: str) -> dict[str, str]:
    """Return the terminals that are always the same text, with it."""
    terminals = _parser(grammar).terminals
    return {t.name: t.pattern.value for t in terminals if isinstance(t.pattern, PatternStr)}


def _position(error: UnexpectedInput, text: str) -> int:
    if isinstance(error, UnexpectedToken) and error.token.type == _END:
        return len(text)
    if isinstance(error, UnexpectedEOF) or error.pos_in_stream is None:
        return len(text)
    return min(error.pos_in_stream, len(text))


def _problem(error: UnexpectedInput, names: Mapping[str, str]) -> str:
    if isinstance(error, UnexpectedToken):
        found = "the text ends" if error.token.type == _END else f"{error.token.value!s} stands"
        expected = error.accepts or error.expected
        return f"{found} where {_one_of(expected, names)} is expected"
    if isinstance(error, UnexpectedCharacters):
        if error.char in {'"', "'", "`"}:
            return "this quote is never closed"
        return f"{error.char} stands where {_one_of(error.allowed or set(), names)} is expected"
    return "the text cannot be read"


def _one_of(terminals: set[str], names: Mapping[str, str]) -> str:
    shown = sorted({names.get(t, t.lower()) for t in terminals if t != _END and names.get(t, t)})
    if _END in terminals:
        shown.append("the end")
    if len(shown) > _EXPECTED_MAX:
        shown = [*shown[:_EXPECTED_MAX], "..."]
    return " or ".join(shown) or "something else"
