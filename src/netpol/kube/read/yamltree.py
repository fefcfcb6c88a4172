"""Takes YAML text, gives plain Python values typed as the API server types them, with lines.

Built on the event stream of PyYAML (libyaml where it is there), not on its constructors, because
Kubernetes is read differently: a plain ``yes`` is a boolean, ``22:22`` is a string, a date is a
string, and a duplicate key is an error (specification.md A0.2-A0.4).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import yaml

from netpol.model.errors import Location, ManifestError

__all__ = [
    "RepeatedKey",
    "YamlDocument",
    "YamlSyntaxError",
    "field_lines",
    "field_path",
    "read_yaml",
]

# Kubernetes objects are some 20 deep; the API server stops at 10 000, and recursion later at less.
MAX_DEPTH = 128
# What aliases may add to a document: enough for any person, too little for a "billion laughs".
MAX_ALIASED_NODES = 100_000
#: Characters of a field's path, below which fields have a line of their own.
MAX_PATH = 1000
# Of one document; libyaml compares each with all before it, and every tag with all of them.
MAX_DIRECTIVES = 64

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WORDS: dict[str, Any] = {
    spelling: value
    for words, value in (("y yes on true", True), ("n no off false", False))
    for word in words.split()
    for spelling in (word, word.capitalize(), word.upper())
}
_WORDS |= dict.fromkeys(("", "~", "null", "Null", "NULL"))
_WORDS |= {
    sign + spelling: float(sign + spelling[1:])
    for sign in ("", "+", "-")
    for spelling in (".inf", ".Inf", ".INF")
}
_WORDS |= dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan"))
_INTEGER = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_MERGE = object()
_PENDING = object()
_TAGS = {
    f"tag:yaml.org,2002:{name}": kind
    for name, kind in {"int": int, "float": float, "bool": bool, "null": type(None)}.items()
}
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


class YamlSyntaxError(ManifestError):
    """Text that is no YAML: nothing behind it can be read, either."""


class YamlDocument(NamedTuple):
    """One document: its value, its first line, and lines of children by container ``id``.

    ``mistakes`` are duplicate keys; in the value they are ``RepeatedKey``.
    """

    value: Any
    line: int
    lines: dict[int, list[int]]
    mistakes: list[ManifestError]


class RepeatedKey(str):
    """A key that stands in its mapping already; equal to nothing else, so that both are kept."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


class _Frame:
    """A container being read.

    ``key`` is ``_PENDING`` while a mapping waits for its next key, and None in a sequence.
    ``key_lines`` is there from the first duplicate on: each search in ``lines`` takes their length.
    """

    __slots__ = (
        "anchor",
        "key",
        "key_line",
        "key_lines",
        "line",
        "lines",
        "merges",
        "size",
        "value",
    )

    def __init__(self, value: dict[str, Any] | list[Any], line: int, anchor: str | None) -> None:
        self.value = value
        self.line = line
        self.anchor = anchor
        self.lines: list[int] = []
        self.key: Any = _PENDING if type(value) is dict else None
        self.key_line = line
        self.key_lines: dict[str, int] | None = None
        self.merges: list[Any] = []
        self.size = 1


def read_yaml(
    text: str, file: str, *, first_line: int = 1, all_mistakes: bool = False
) -> Iterator[YamlDocument]:
    """Read every document of ``text`` that is not empty.

    Parameters
    ----------
    text, file
        What to read, and what it is called.
    first_line
        The line of the file that the text begins on.
    all_mistakes
        Give a document that has duplicate keys with all of them, instead of raising the first.

    Raises
    ------
    YamlSyntaxError
        Broken YAML.
    ManifestError
        A duplicate or non-string key, an unknown tag, aliases that recurse or expand without
        bound, nesting beyond ``MAX_DEPTH``. Documents before the fault are given.
    """
    _refuse_many_directives(text, file, first_line)
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:
        raise _syntax_error(error, text, file, first_line) from None
    try:
        builder = _Builder(file, first_line)
        while (event := loader.get_event()) is not None:
            if type(event) is not yaml.DocumentEndEvent:
                builder.take(event)
                continue
            if builder.mistakes and not all_mistakes:
                raise builder.mistakes[0]
            if builder.root is not None:
                yield YamlDocument(builder.root, builder.root_line, builder.lines, builder.mistakes)
            builder = _Builder(file, first_line)
    except yaml.YAMLError as error:
        raise _syntax_error(error, text, file, first_line) from None
    finally:
        loader.dispose()


def _refuse_many_directives(text: str, file: str, first_line: int) -> None:
    if not text.startswith("%") and text.count("\n%") <= MAX_DIRECTIVES:
        return
    found = 0
    for number, line in enumerate(text.split("\n"), first_line):
        if line.startswith("%"):
            found += 1
            if found > MAX_DIRECTIVES:
                message = f"not valid YAML: more than {MAX_DIRECTIVES} directives"
                raise YamlSyntaxError(message, Location(file, number))
        elif line.strip() and not line.startswith("#"):
            found = 0


class _Builder:
    """Builds one document from events, without recursion."""

    def __init__(self, file: str, first_line: int) -> None:
        self.file = file
        self.first_line = first_line
        self.root: Any = None
        self.root_line = 1
        self.lines: dict[int, list[int]] = {}
        self.mistakes: list[ManifestError] = []
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._aliased = 0
        self._merged: list[Any] = []  # kept alive: ``lines`` goes by id

    def take(self, event: Any) -> None:
        """Take the next event; those that only frame documents are passed over."""
        handle = _HANDLERS.get(type(event))
        if handle is not None:
            handle(self, event)

    def _fail(self, message: str, line: int) -> ManifestError:
        return ManifestError(message, Location(self.file, line))

    def _scalar(self, event: Any) -> None:
        """Take a scalar. Two thirds of all events, so the common cases stand first."""
        line = event.start_mark.line + self.first_line
        text = event.value
        plain, quoted = event.implicit
        if quoted or event.tag == "!":
            value = text
        elif plain:
            value = resolve_plain(text)
        else:
            value = self._tagged(event.tag, text, line)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, 1)
        frame = self._stack[-1] if self._stack else None
        if frame is None or frame.key is not _PENDING:
            self._place(value, line, 1)
        elif text == "<<" and plain:
            frame.key, frame.key_line = _MERGE, line
        elif type(value) is str and value not in frame.value and frame.key_lines is None:
            frame.key, frame.key_line = value, line
        else:
            self._key(value, line)

    def _tagged(self, tag: str, text: str, line: int) -> Any:
        if tag == "tag:yaml.org,2002:str":
            return text
        wanted = _TAGS.get(tag)
        value = resolve_plain(text)
        if wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted:
            raise self._fail(f"cannot read {text[:40]!r} as {tag}", line)
        return value

    def _key(self, value: Any, line: int) -> None:
        """Make a key a string, as the server's conversion from YAML to JSON does."""
        if type(value) is bool:
            value = "true" if value else "false"
        elif type(value) is int:
            value = str(value)
        elif type(value) is not str:
            raise self._fail("a mapping key is not a string; quote it", line)
        frame = self._stack[-1]
        if value in frame.value:
            if frame.key_lines is None:
                frame.key_lines = dict(zip(frame.value, frame.lines, strict=False))
            first = frame.key_lines[value]
            self.mistakes.append(
                self._fail(f"duplicate key {value!r}, first on line {first}", line)
            )
            value = RepeatedKey(value)
        elif frame.key_lines is not None:
            frame.key_lines[value] = line
        frame.key, frame.key_line = value, line

    def _open(self, event: Any) -> None:
        line = event.start_mark.line + self.first_line
        container: dict[str, Any] | list[Any]
        container, kind = ({}, "map") if type(event) is yaml.MappingStartEvent else ([], "seq")
        if event.tag not in (None, "!", f"tag:yaml.org,2002:{kind}"):
            raise self._fail(f"tag {event.tag} is not supported", line)
        if len(self._stack) >= MAX_DEPTH:
            raise self._fail(f"nested deeper than {MAX_DEPTH} levels", line)
        if event.anchor is not None:
            self._anchors[event.anchor] = (_PENDING, 0)
        self._stack.append(_Frame(container, line, event.anchor))

    def _close(self, _: Any) -> None:
        frame = self._stack.pop()
        self._merged += frame.merges
        for merged in frame.merges:
            self._merge(frame, merged)
        if frame.value:
            self.lines[id(frame.value)] = frame.lines
        if frame.anchor is not None:
            self._anchors[frame.anchor] = (frame.value, frame.size)
        self._place(frame.value, frame.line, frame.size)

    def _alias(self, event: Any) -> None:
        line = event.start_mark.line + self.first_line
        value, size = self._anchors.get(event.anchor, (None, 0))
        if not size:
            what = "refers to itself" if value is _PENDING else "is not defined"
            raise self._fail(f"alias *{event.anchor} {what}", line)
        self._aliased += size
        if self._aliased > MAX_ALIASED_NODES:
            raise self._fail(f"aliases expand to more than {MAX_ALIASED_NODES} values", line)
        if self._stack[-1].key is _PENDING:
            self._key(value, line)
        else:
            self._place(value, line, size)

    def _place(self, value: Any, line: int, size: int) -> None:
        """Put a finished value into the container being read."""
        if not self._stack:
            self.root, self.root_line = value, line
            return
        frame = self._stack[-1]
        frame.size += size
        container = frame.value
        if type(container) is list:
            container.append(value)
            frame.lines.append(line)
        elif frame.key is _PENDING:
            raise self._fail("a mapping key must be a string, not a collection", line)
        elif frame.key is _MERGE:
            frame.merges.append(value)
            frame.key = _PENDING
        else:
            container[frame.key] = value
            frame.lines.append(frame.key_line)
            frame.key = _PENDING

    def _merge(self, frame: _Frame, merged: Any) -> None:
        """Add the entries of a ``<<`` key; what the mapping says itself wins."""
        for source in merged if type(merged) is list else [merged]:
            if type(source) is not dict:
                raise self._fail("<< needs a mapping or a list of mappings", frame.line)
            for (key, value), line in zip(
                source.items(), self.lines.get(id(source), ()), strict=False
            ):
                if key not in frame.value:
                    frame.value[key] = value
                    frame.lines.append(line)


# By class, not by instance: bound methods would make every builder, and its tree, a cycle.
_HANDLERS: dict[type, Callable[[_Builder, Any], None]] = {
    yaml.ScalarEvent: _Builder._scalar,
    yaml.MappingStartEvent: _Builder._open,
    yaml.SequenceStartEvent: _Builder._open,
    yaml.MappingEndEvent: _Builder._close,
    yaml.SequenceEndEvent: _Builder._close,
    yaml.AliasEvent: _Builder._alias,
}


def resolve_plain(text: str) -> Any:
    """Type an unquoted scalar as the API server's YAML reader does (A0.3).

    ``yes``/``no``/``on``/``off``/``y``/``n`` are booleans, ``010`` is octal, underscores inside
    numbers are dropped; dates and base-60 numbers stay strings.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "0123456789+-.":
        return text
    digits = text.replace("_", "")
    if len(digits) <= 64 and (found := _INTEGER.fullmatch(digits)):
        sign, hexadecimal, binary, octal, decimal = found.groups()
        base = 16 if hexadecimal else 2 if binary else 8 if octal else 10
        value = int(hexadecimal or binary or octal or decimal, base)
        return -value if sign == "-" else value
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        return text if number in (float("inf"), float("-inf")) else number
    return text


def field_path(parent: str, key: str | int) -> str:
    """Return the dotted path of a child: ``a.b``, ``a[0]``, or ``a[odd/key]``.

    Below a path longer than any that a mistake is looked up by it is the parent's: each path would
    hold that of its parent, and a key of 1 MB with a million fields below it fill any memory.
    """
    if len(parent) > MAX_PATH:
        return parent
    if isinstance(key, int):
        return f"{parent}[{key}]"
    if not _PLAIN_KEY.fullmatch(key):
        return f"{parent}[{key}]"
    return f"{parent}.{key}" if parent else key


def field_lines(value: Any, lines: dict[int, list[int]], offset: int = 0) -> dict[str, int]:
    """Return the line of every field below ``value``, by dotted path; ``offset`` is added.

    Fields below a path of more than ``MAX_PATH`` characters have none of their own.
    """
    paths: dict[str, int] = {}
    pending: list[tuple[str, Any]] = [("", value)]
    while pending:
        parent, container = pending.pop()
        own = lines.get(id(container))
        if own is None:
            continue
        children = container.items() if type(container) is dict else enumerate(container)
        for (key, child), line in zip(children, own, strict=True):
            path = field_path(parent, key)
            paths[path] = line + offset
            if (type(child) is dict or type(child) is list) and len(path) <= MAX_PATH:
                pending.append((path, child))
    return paths


def _syntax_error(error: yaml.YAMLError, text: str, file: str, first_line: int) -> YamlSyntaxError:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line = mark.line + first_line if mark else None
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        return YamlSyntaxError(f"not valid YAML: {problem}", Location(file, line))
    position = getattr(error, "position", None)
    if position is None:
        return YamlSyntaxError(f"not valid YAML: {error}", Location(file))
    line = text.encode()[:position].count(b"\n") + first_line
    return YamlSyntaxError("not text: control characters found", Location(file, line))
