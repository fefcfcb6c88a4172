"""Takes one manifest object as read, gives its kind, its place and, on request, its typed form."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from netpol.kube.api.objects import Source
from netpol.kube.read.jsonlines import BAD_JSON, JsonLines
from netpol.kube.read.typed import decode_value
from netpol.kube.read.yamltree import field_lines, read_yaml
from netpol.model.errors import Location, ManifestError

__all__ = [
    "Document",
    "FieldLines",
    "JsonDocument",
    "ValueDocument",
    "decode",
    "json_header",
]

T = TypeVar("T", bound=Struct)


class FieldLines(Mapping[str, int]):
    """Lines by dotted field path, found when first asked for: most objects are never wrong."""

    def __init__(self, find: Callable[[], dict[str, int]]) -> None:
        self._find = find
        self._lines: dict[str, int] | None = None

    def _loaded(self) -> dict[str, int]:
        if self._lines is None:
            self._lines = self._find()
            self._find = dict
        return self._lines

    def __getitem__(self, path: str) -> int:
        return self._loaded()[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._loaded())

    def __len__(self) -> int:
        return len(self._loaded())

    def __reduce__(self) -> tuple[type[dict[str, int]], tuple[dict[str, int]]]:
        return dict, (self._loaded(),)


class Document(Protocol):
    """One object of a manifest, not yet typed."""

    api_version: str
    kind: str
    file: str
    line: int
    #: Something in it is wrong and has been reported; the rest may be looked at.
    broken: bool

    def value(self) -> Any:
        """Return the plain value; raise ``ManifestError`` for a duplicate key."""

    def fast(self, kind: type[T]) -> T:
        """Return the typed object; raise ``msgspec.ValidationError`` at the first mistake."""

    def field_source(self) -> Source:
        """Return the place with a line for each field, found when first asked for."""


def decode(document: Document, kind: type[T]) -> T:
    """Type a cluster object; ``ManifestError`` with file, line and field if that fails."""
    try:
        return document.fast(kind)
    except BAD_JSON:
        pass
    result = decode_value(document.value(), kind)
    if result.errors:
        first = result.errors[0]
        line = document.field_source().line_of(first.field)
        raise ManifestError(
            f"{document.kind}: {first.message}", Location(document.file, line, first.field or None)
        )
    typed: T = result.value
    return typed


class ValueDocument:
    """An object that is already a plain value: read from YAML, or given by a Python caller."""

    __slots__ = ("_lines", "_value", "api_version", "broken", "file", "kind", "line")

    def __init__(
        self,
        value: dict[str, Any],
        header: tuple[str, str],
        place: tuple[str, int],
        lines: dict[int, list[int]],
    ) -> None:
        self.broken = False
        self._value = value
        self._lines = lines
        self.api_version, self.kind = header
        self.file, self.line = place

    def value(self) -> Any:
        """Return the plain value."""
        return self._value

    def fast(self, kind: type[T]) -> T:
        """Return the typed object."""
        return msgspec.convert(self._value, kind)

    def field_source(self) -> Source:
        """Return the place with a line for each field."""
        value, lines = self._value, self._lines
        return Source(self.file, self.line, FieldLines(lambda: field_lines(value, lines)))


class JsonDocument:
    """An object that is still JSON text."""

    __slots__ = ("_raw", "api_version", "file", "kind", "line")
    broken = False  # what is wrong with it shows when its value is asked for

    def __init__(self, raw: msgspec.Raw, header: tuple[str, str], place: tuple[str, int]) -> None:
        self._raw = raw
        self.api_version, self.kind = header
        self.file, self.line = place

    def value(self) -> Any:
        """Return the plain value."""
        try:
            _ANY.decode(self._raw)  # json.loads lets broken UTF-16 escapes through
            return json.loads(bytes(self._raw), object_pairs_hook=_unique)
        except _DuplicateKeyError as error:
            line = self._line_of_duplicate()
            raise ManifestError(str(error), Location(self.file, line)) from None
        except (ValueError, *BAD_JSON) as error:
            raise ManifestError(
                f"not valid JSON: {error}", Location(self.file, self.line)
            ) from None

    def fast(self, kind: type[T]) -> T:
        """Return the typed object."""
        return _decoder(kind).decode(self._raw)  # type: ignore[no-any-return]

    def field_source(self) -> Source:
        """Return the place with a line for each field."""
        # A copy: the raw text is a view that keeps the whole file in memory.
        return Source(self.file, self.line, JsonLines(bytes(self._raw), self.line))

    def _line_of_duplicate(self) -> int:
        """Find the line with the YAML reader, which knows JSON and refuses duplicates too."""
        try:
            for _ in read_yaml(bytes(self._raw).decode(), self.file):
                pass
        except ManifestError as error:
            if error.message.startswith("duplicate key"):
                return self.line - 1 + (error.location.line or 1)
        except UnicodeDecodeError:
            pass
        return self.line


_ANY = msgspec.json.Decoder()
_WORD = re.compile(r"\S")


@cache
def _decoder(kind: type[Struct]) -> Any:
    return msgspec.json.Decoder(kind)


class _DuplicateKeyError(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object of JSON; a key met twice is an error (A0.2)."""
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(f"duplicate key {key!r}")
            seen.add(key)
    return result


def duplicate_key(text: bytes) -> str | None:
    """Say which key an object in some JSON texts, one after the other, has twice; else None."""
    decoder = json.JSONDecoder(object_pairs_hook=_unique)
    rest = text.decode(errors="replace")
    place = _next_word(rest, 0)
    try:
        while place < len(rest):
            _, end = decoder.raw_decode(rest, place)
            place = _next_word(rest, end)
    except _DuplicateKeyError as error:
        return str(error)
    except (ValueError, RecursionError):
        pass  # Not for this function to report.
    return None


def _next_word(text: str, place: int) -> int:
    found = _WORD.search(text, place)
    return found.start() if found else len(text)


_HEADER = re.compile(
    rb'\s*\{\s*"apiVersion"\s*:\s*"([A-Za-z0-9./-]+)"\s*,\s*"kind"\s*:\s*"([A-Za-z0-9]+)"'
)


class _Header(Struct):
    apiVersion: str | None = None  # noqa: N815
    kind: str | None = None


def json_header(raw: msgspec.Raw) -> tuple[str | None, str | None]:
    """Return apiVersion and kind; raise ``msgspec.ValidationError`` if they are not text.

    The API server writes both first, so most objects need not be scanned to their end.
    """
    found = _HEADER.match(memoryview(raw))
    if found:
        return found[1].decode(), found[2].decode()
    header = _decoder(_Header).decode(raw)
    return header.apiVersion, header.kind
