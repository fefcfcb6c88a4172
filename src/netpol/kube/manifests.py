"""Takes files, directories or standard input, gives the Kubernetes objects in them, one by one.

YAML (many documents), JSON (one object, several, or one a line), and lists of any kind
(``List``, ``PodList`` ...), also gzip and zstd. JSON stays raw text until it is typed, which
makes it a hundred times faster to load than YAML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, NoReturn

import msgspec
import pyarrow as pa
from msgspec import UNSET, Raw, Struct, UnsetType

from netpol.errors import InputError, Location, ManifestError
from netpol.kube.documents import (
    BAD_JSON,
    Document,
    JsonDocument,
    ValueDocument,
    duplicate_key,
    json_header,
)
from netpol.kube.inputs import InputFile, Paths, find_inputs, read_input
from netpol.kube.yamltree import read_yaml

__all__ = ["documents_from_objects", "raise_error", "read_documents"]

# Text that begins like JSON but is not may still be YAML; beyond this size that is not tried,
# as the JSON error is the likelier one and YAML is slow.
MAX_YAML_RETRY_BYTES = 16 << 20

# Lists of lists exist (kubectl writes one level); each level costs a stack frame.
MAX_LIST_DEPTH = 8

_POSITION = re.compile(r"\(byte (\d+)\)")


class _Envelope(Struct):
    """The top of a JSON document: enough to tell a list, its items left raw."""

    apiVersion: str | None = None  # noqa: N815
    kind: str | None = None
    items: list[Raw] | UnsetType | None = UNSET


_ENVELOPES = msgspec.json.Decoder(_Envelope)
_RAWS = msgspec.json.Decoder(Raw)


class _Inherited(NamedTuple):
    """What a list says of its items, and how many lists stand around them."""

    api_version: str | None
    kind: str | None
    depth: int


_NOTHING = _Inherited(None, None, 0)


def raise_error(error: InputError) -> NoReturn:
    """Raise the error: the ``report`` of callers that stop at the first."""
    raise error


def read_documents(
    paths: Paths,
    report: Callable[[InputError], None] = raise_error,
    *,
    seen: Callable[[str, bytes], None] | None = None,
) -> Iterator[Document]:
    """Read every object behind ``paths``, in order; lists are opened.

    Parameters
    ----------
    paths
        Files, directories (searched recursively), or ``-`` for standard input.
    report
        Called with each ``ManifestError``; what can still be read is given. The default raises.
    seen
        Called with the name and content of each file before its objects are given.
    """
    for file in find_inputs(paths, report):
        try:
            data = read_input(file)
        except InputError as error:
            report(error)
            continue
        if seen is not None:
            seen(file.name, data)
        yield from _read_file(file, data, report)


def documents_from_objects(objects: Sequence[dict[str, Any]]) -> Iterator[Document]:
    """Give plain dictionaries as documents, lists opened; the file is called ``objects[i]``."""
    for index, value in enumerate(objects):
        yield from _from_value(value, (f"objects[{index}]", 1), {}, raise_error)


def _read_file(
    file: InputFile, data: bytes, report: Callable[[InputError], None]
) -> Iterator[Document]:
    if data.lstrip()[:1] in (b"{", b"["):
        try:
            parsed = _parse_json(file.name, data)
        except ManifestError as error:
            if file.is_json or len(data) > MAX_YAML_RETRY_BYTES:
                report(error)
                return
        else:
            yield from _from_json(file.name, data, parsed, report)
            return
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        report(ManifestError("not text: not valid UTF-8", Location(file.name, line)))
        return
    try:
        for document in read_yaml(text, file.name):
            place = (file.name, document.line)
            yield from _from_value(document.value, place, document.lines, report)
    except ManifestError as error:
        report(error)


def _from_value(
    value: Any,
    place: tuple[str, int],
    lines: dict[int, list[int]],
    report: Callable[[InputError], None],
    inherited: _Inherited = _NOTHING,
) -> Iterator[Document]:
    """Give the object, or those of the list, that a plain value holds."""
    if not isinstance(value, dict):
        report(ManifestError("expected a Kubernetes object", Location(*place)))
        return
    header = (
        value.get("apiVersion", inherited.api_version),
        value.get("kind", inherited.kind),
    )
    checked = _checked_header(header, place, report)
    if checked is None:
        return
    items = value.get("items")
    if not _is_list(checked[1]) or ("items" in value and not isinstance(items, list | None)):
        yield ValueDocument(value, checked, place, lines)
        return
    if not _may_hold_lists(inherited, place, report):
        return
    own_lines = dict(zip(value, lines.get(id(value), ()), strict=False))
    item_lines = lines.get(id(items), ())
    for index, item in enumerate(items or ()):
        line = item_lines[index] if index < len(item_lines) else own_lines.get("items", place[1])
        yield from _from_value(
            item, (place[0], line), lines, report, _for_items(checked, inherited)
        )


class _Parsed(NamedTuple):
    """JSON text taken apart: lists already opened, or else documents still whole."""

    lists: list[_Envelope]
    documents: list[Raw]


def _parse_json(file: str, data: bytes) -> _Parsed:
    """Take JSON text apart; ``ManifestError`` if it is malformed."""
    try:
        try:
            lists = _ENVELOPES.decode_lines(data)
        except msgspec.ValidationError:
            lists = []
        if lists and all(each.items is not UNSET and _is_list(each.kind) for each in lists):
            return _Parsed(lists, [])
        return _Parsed([], _RAWS.decode_lines(data))
    except BAD_JSON as error:
        raise _malformed(file, data, error) from None


def _from_json(
    file: str, data: bytes, parsed: _Parsed, report: Callable[[InputError], None]
) -> Iterator[Document]:
    lines = _LineCounter(data)
    duplicate = _duplicate_beside_items(data, [each.items or [] for each in parsed.lists])
    if duplicate is not None:
        report(ManifestError(duplicate, Location(file)))
        return
    for envelope in parsed.lists:
        header = _checked_header((envelope.apiVersion, envelope.kind), (file, 1), report)
        if header is not None:
            inherited = _for_items(header, _NOTHING)
            yield from _from_raws(file, envelope.items or [], lines, report, inherited)
    yield from _from_raws(file, parsed.documents, lines, report)


def _from_raws(
    file: str,
    raws: list[Raw],
    lines: _LineCounter,
    report: Callable[[InputError], None],
    inherited: _Inherited = _NOTHING,
) -> Iterator[Document]:
    for raw in raws:
        place = (file, lines.line_of(raw))
        try:
            api_version, kind = json_header(raw)
        except BAD_JSON:
            report(ManifestError("expected a Kubernetes object", Location(*place)))
            continue
        header = _checked_header(
            (api_version or inherited.api_version, kind or inherited.kind), place, report
        )
        if header is None:
            continue
        items = _items(raw) if _is_list(header[1]) else None
        if items is None:
            yield JsonDocument(raw, header, place)
        elif _may_hold_lists(inherited, place, report):
            yield from _from_raws(file, items, lines, report, _for_items(header, inherited))


def _items(raw: Raw) -> list[Raw] | None:
    """Give the items of a list; None if the object has no such field."""
    try:
        items = _ENVELOPES.decode(raw).items
    except BAD_JSON:
        return None
    return None if items is UNSET else items or []


def _duplicate_beside_items(data: bytes, lists: list[list[Raw]]) -> str | None:
    """Look for a key met twice in the lists themselves (A0.2): a second ``items`` hides the first.

    Cutting out the items leaves little text to look through, however long the lists are.
    """
    if not lists:
        return None
    base, kept, pieces = _address(data), 0, []
    for items in lists:
        if items:
            pieces.append(data[kept : _address(items[0]) - base])
            kept = _address(items[-1]) - base + len(memoryview(items[-1]))
    pieces.append(data[kept:])
    return duplicate_key(b"".join(pieces))


class _LineCounter:
    """Gives the line of raw views into one text; going forward each byte is counted once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._base = _address(data)
        self._offset = 0
        self._line = 1

    def line_of(self, raw: Raw) -> int:
        offset = _address(raw) - self._base
        if offset < self._offset:
            self._offset, self._line = 0, 1
        self._line += self._data.count(b"\n", self._offset, offset)
        self._offset = offset
        return self._line


def _address(buffer: Any) -> int:
    # A tenth of what NumPy takes to say the same, at every object.
    address: int = pa.py_buffer(buffer).address
    return address


def _is_list(kind: str | None) -> bool:
    return kind is not None and kind.endswith("List")


def _for_items(header: tuple[str, str], inherited: _Inherited) -> _Inherited:
    """Give what items of a list inherit: ``PodList`` types them, ``List`` does not (A0.1)."""
    api_version, kind = header
    depth = inherited.depth + 1
    if kind == "List":
        return _Inherited(None, None, depth)
    return _Inherited(api_version, kind.removesuffix("List"), depth)


def _may_hold_lists(
    inherited: _Inherited, place: tuple[str, int], report: Callable[[InputError], None]
) -> bool:
    if inherited.depth < MAX_LIST_DEPTH:
        return True
    report(ManifestError(f"lists nested deeper than {MAX_LIST_DEPTH}", Location(*place)))
    return False


def _checked_header(
    header: tuple[Any, Any], place: tuple[str, int], report: Callable[[InputError], None]
) -> tuple[str, str] | None:
    api_version, kind = header
    for name, value in (("apiVersion", api_version), ("kind", kind)):
        if not isinstance(value, str) or not value:
            message = "is missing: not a Kubernetes object" if value is None else "must be a name"
            report(ManifestError(message, Location(*place, name)))
            return None
    return api_version, kind


def _malformed(file: str, data: bytes, error: Exception) -> ManifestError:
    if isinstance(error, RecursionError):
        return ManifestError("not valid JSON: nested too deeply", Location(file))
    if isinstance(error, UnicodeDecodeError):
        return ManifestError("not valid JSON: not valid UTF-8", Location(file))
    found = _POSITION.search(str(error))
    end = int(found[1]) if found else len(data)
    message = _POSITION.sub("", str(error)).strip()
    return ManifestError(
        f"not valid JSON: {message}", Location(file, data.count(b"\n", 0, end) + 1)
    )
