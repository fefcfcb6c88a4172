"""Takes files, directories or standard input, gives the Kubernetes objects in them, one by one.

YAML (many documents), JSON (objects, arrays, one a line, or among other lines), and lists of any
kind (``List``, ``PodList`` ...), also gzip, zstd and UTF-16. JSON stays raw text until it is typed,
which makes it about ten times as fast to load as YAML.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple, NoReturn

import msgspec
from msgspec import Raw

from netpol.kube.read import templates
from netpol.kube.read.documents import Document, JsonDocument, ValueDocument, json_header
from netpol.kube.read.findings import Finding
from netpol.kube.read.globs import Globs
from netpol.kube.read.inputs import InputFile, Paths, find_inputs, read_content
from netpol.kube.read.jsonlines import BAD_JSON
from netpol.kube.read.jsonstream import Stream, after_head, blank_noise, split_stream
from netpol.kube.read.jsontext import (
    LineCounter,
    Parsed,
    array_of,
    duplicate_beside_items,
    is_list,
    items_of,
    parse_json,
)
from netpol.kube.read.reading import PassedOver, Reading, Why
from netpol.kube.read.yamlpieces import Piece, yaml_pieces
from netpol.kube.read.yamltree import YamlDocument, YamlSyntaxError, read_yaml
from netpol.model.errors import InputError, Location, ManifestError, NothingThereError

__all__ = ["documents_from_objects", "raise_error", "read_documents"]

# Text that begins like JSON but is not may still be YAML; beyond this size that is not tried,
# as the JSON error is the likelier one and YAML is slow.
MAX_YAML_RETRY_BYTES = 16 << 20

# Lists of lists exist (kubectl writes one level); each level costs a stack frame.
MAX_LIST_DEPTH = 8

_JSON_START = re.compile(rb"\s*[{\[]")
_NO_OBJECT = "expected a Kubernetes object"


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
    reading: Reading | None = None,
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
    reading
        What is wanted; says afterwards what was passed over: in a file that was found in a
        directory, documents that are no objects, and text that cannot be read and names no kind
        that is wanted.
    seen
        Called with the name and content of each file before its objects are given.
    """
    reading = reading or Reading()
    for file in find_inputs(paths, report, Globs(reading.exclude)):
        try:
            data = read_content(file)
        except InputError as error:
            report(error)
            continue
        if seen is not None:
            seen(file.name, data)
        yield from _File(file, reading, report).documents(data)


def documents_from_objects(objects: Sequence[dict[str, Any]]) -> Iterator[Document]:
    """Yield plain dictionaries as documents, lists opened; the file is called ``objects[i]``."""
    for index, value in enumerate(objects):
        reader = _File(InputFile(f"objects[{index}]", None), Reading(), raise_error)
        yield from reader.from_value(value, 1, {})


class _File:
    """Reads one file."""

    def __init__(
        self, file: InputFile, reading: Reading, report: Callable[[InputError], None]
    ) -> None:
        self._file = file
        self._name = file.name
        self._reading = reading
        self._report = report
        self._lenient = file.found or reading.skip_others
        self._data = b""

    def documents(self, data: bytes) -> Iterator[Document]:
        """Yield the objects of the file's content."""
        self._data = data
        if not data:
            error = NothingThereError("the file is empty", Location(self._name))
            self._report_or_pass(error, "empty", wanted=False)
            return
        if _JSON_START.match(data):
            try:
                parsed = parse_json(self._name, data)
            except ManifestError as error:
                if (stream := split_stream(data, is_json=self._file.is_json)) is not None:
                    yield from self._from_stream(data, stream)
                    return
                if self._file.is_json or len(data) > MAX_YAML_RETRY_BYTES:
                    self._broken_json(error, data)
                    return
            else:
                yield from self._from_json(data, parsed, LineCounter(data))
                return
        elif (stream := self._stream(data)) is not None:
            yield from self._from_stream(data, stream)
            return
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            place = Location(self._name, line)
            self._unreadable(ManifestError("not text: not valid UTF-8", place))
            return
        yield from self._from_yaml(text)

    # --- YAML ---------------------------------------------------------------------------------

    def _from_yaml(self, text: str) -> Iterator[Document]:
        """Yield the objects of YAML; after a mistake reading goes on with the next document."""
        text, noise = blank_noise(text)
        if noise is not None:
            self._tell(noise)
        for piece in yaml_pieces(text):
            documents = read_yaml(
                piece.text, self._name, first_line=piece.first_line, all_mistakes=True
            )
            try:
                for document in documents:
                    yield from self._from_document(document, piece)
            except ManifestError as error:
                region = piece.around(error.location.line or piece.first_line)
                template = self._template(region.text, region.line)
                if template is not None:
                    self._unrendered(template, region.text)
                elif isinstance(error, YamlSyntaxError):
                    self._unreadable(_with_rest(error))
                    return
                else:
                    self._unreadable(error)
                piece.stop_after(region)

    def _from_document(self, document: YamlDocument, piece: Piece) -> Iterator[Document]:
        if not document.mistakes:
            yield from self.from_value(document.value, document.line, document.lines)
            return
        region = piece.around(document.line)
        template = self._template(region.text, region.line)
        if template is not None:
            self._unrendered(template, region.text)
            return
        for mistake in document.mistakes:
            self._unreadable(mistake)
        if self._reading.wants_text(region.text.encode()):
            # For whatever else is wrong with it.
            for one in self.from_value(document.value, document.line, document.lines):
                one.broken = True
                yield one

    def from_value(
        self,
        value: Any,
        line: int,
        lines: dict[int, list[int]],
        inherited: _Inherited = _NOTHING,
    ) -> Iterator[Document]:
        """Yield the object, or those of the list or sequence, that a plain value holds."""
        place = (self._name, line)
        if isinstance(value, list) and not inherited.depth and any(map(_is_object, value)):
            within = _Inherited(None, None, 1)
            for item, at in zip(value, lines.get(id(value), ()), strict=False):
                yield from self.from_value(item, at, lines, within)
            return
        if not isinstance(value, dict):
            self._no_object(ManifestError(_NO_OBJECT, Location(*place)), inherited, value)
            return
        header = (
            value.get("apiVersion", inherited.api_version),
            value.get("kind", inherited.kind),
        )
        checked = self._checked_header(header, line, inherited)
        if checked is None:
            return
        items = value.get("items")
        if not is_list(checked[1]) or ("items" in value and not isinstance(items, list | None)):
            yield ValueDocument(value, checked, place, lines)
            return
        if not self._may_hold_lists(inherited, line):
            return
        own_lines = dict(zip(value, lines.get(id(value), ()), strict=False))
        item_lines = lines.get(id(items), ())
        within = _for_items(checked, inherited)
        for index, item in enumerate(items or ()):
            at = item_lines[index] if index < len(item_lines) else own_lines.get("items", line)
            yield from self.from_value(item, at, lines, within)

    # --- JSON ---------------------------------------------------------------------------------

    def _stream(self, data: bytes) -> Stream | None:
        """Find the JSON in a text that does not begin with it."""
        stream = after_head(data, is_json=self._file.is_json)
        if stream is not None:
            try:
                parse_json(self._name, data, *stream.pieces[0])
            except ManifestError:
                pass
            else:
                return stream
        return split_stream(data, is_json=self._file.is_json)

    def _from_stream(self, data: bytes, stream: Stream) -> Iterator[Document]:
        """Yield the objects of JSON that stands among other lines."""
        try:
            parsed = [parse_json(self._name, data, *piece) for piece in stream.pieces]
        except ManifestError as error:
            self._broken_json(error, data)
            return
        self._tell(stream)
        lines = LineCounter(data)
        for one, (start, end) in zip(parsed, stream.pieces, strict=True):
            yield from self._from_json(data, one, lines, start, end)

    def _from_json(
        self,
        data: bytes,
        parsed: Parsed,
        lines: LineCounter,
        start: int = 0,
        end: int | None = None,
    ) -> Iterator[Document]:
        all_items = [each.items or [] for each in parsed.lists]
        duplicate = duplicate_beside_items(data, all_items, start, end)
        if duplicate is not None:
            self._report(ManifestError(duplicate, Location(self._name)))
            return
        line = lines.line_at(start)
        for envelope in parsed.lists:
            header = self._checked_header((envelope.apiVersion, envelope.kind), line, _NOTHING)
            if header is not None:
                yield from self._from_raws(
                    envelope.items or [], lines, _for_items(header, _NOTHING)
                )
        yield from self._from_raws(parsed.documents, lines, _NOTHING)

    def _from_raws(
        self, raws: list[Raw], lines: LineCounter, inherited: _Inherited
    ) -> Iterator[Document]:
        for raw in raws:
            line = lines.line_of(raw)
            try:
                api_version, kind = json_header(raw)
            except BAD_JSON:
                yield from self._from_odd_json(raw, line, lines, inherited)
                continue
            header = self._checked_header(
                (api_version or inherited.api_version, kind or inherited.kind), line, inherited
            )
            if header is None:
                continue
            items = items_of(raw) if is_list(header[1]) else None
            if items is None:
                yield JsonDocument(raw, header, (self._name, line))
            elif self._may_hold_lists(inherited, line):
                yield from self._from_raws(items, lines, _for_items(header, inherited))

    def _from_odd_json(
        self, raw: Raw, line: int, lines: LineCounter, inherited: _Inherited
    ) -> Iterator[Document]:
        """Yield the objects of an array; anything else is a mistake."""
        elements = None if inherited.depth else array_of(raw)
        if elements is not None and (not elements or any(map(_is_raw_object, elements))):
            yield from self._from_raws(elements, lines, _Inherited(None, None, 1))
            return
        error = ManifestError(_NO_OBJECT, Location(self._name, line))
        self._report_or_pass(
            error, "no object", wanted=bool(inherited.depth) or self._reading.wants_text(bytes(raw))
        )

    # --- what both have in common -------------------------------------------------------------

    def _checked_header(
        self, header: tuple[Any, Any], line: int, inherited: _Inherited
    ) -> tuple[str, str] | None:
        api_version, kind = header
        place = (self._name, line)
        for name, value in (("apiVersion", api_version), ("kind", kind)):
            if not isinstance(value, str) or not value:
                missing = "is missing: not a Kubernetes object"
                message = missing if value is None else "must be a name"
                error = ManifestError(message, Location(*place, name))
                self._no_object(error, inherited, header)
                return None
            if "{" in value and (template := templates.in_word(value, place)) is not None:
                self._unrendered(template, f"kind: {kind}")
                return None
        return api_version, kind

    def _may_hold_lists(self, inherited: _Inherited, line: int) -> bool:
        if inherited.depth < MAX_LIST_DEPTH:
            return True
        place = Location(self._name, line)
        self._report(ManifestError(f"lists nested deeper than {MAX_LIST_DEPTH}", place))
        return False

    def _no_object(self, error: ManifestError, inherited: _Inherited, found: object) -> None:
        """Report what is no object; in a directory only if it is meant to be one that matters."""
        place = (self._name, error.location.line or 1)
        template = templates.in_word(found, place)
        if template is not None:
            self._unrendered(template, str(found))
            return
        api_version, kind = found if isinstance(found, tuple) else (None, None)
        wanted = self._reading.wants_kind(kind) or _is_policy_group(api_version)
        self._report_or_pass(error, "no object", wanted=wanted or bool(inherited.depth))

    def _broken_json(self, error: ManifestError, data: bytes) -> None:
        """Report text that is no JSON, perhaps as it is to be filled in."""
        text = data[:MAX_YAML_RETRY_BYTES].decode(errors="replace")
        template = self._template(text, 1)
        if template is not None:
            self._unrendered(template, text)
        else:
            self._unreadable(error)

    def _unreadable(self, error: ManifestError) -> None:
        """Report text that cannot be read; in a directory only if the file names what is wanted."""
        error = ManifestError(error.message, error.location)
        self._report_or_pass(error, "broken", wanted=self._names_wanted)

    @cached_property
    def _names_wanted(self) -> bool:
        return self._reading.wants_text(self._data)

    def _template(self, text: str, first_line: int) -> ManifestError | None:
        if not templates.may_hold_marks(text):
            return None
        return templates.in_text(text, self._name, first_line)

    def _unrendered(self, error: ManifestError, text: str) -> None:
        """Report a template, or pass it over: in a directory if it is none of what is wanted."""
        wanted = not self._reading.skip_others and self._reading.wants_text(text.encode())
        self._report_or_pass(error, "template", wanted=wanted)

    def _report_or_pass(self, error: ManifestError, why: Why, *, wanted: bool) -> None:
        if wanted or not self._lenient:
            self._report(error)
        else:
            self._reading.passed.append(PassedOver(error.location, why, error.message))

    def _tell(self, stream: Stream) -> None:
        """Keep a warning about lines that are none of the manifest."""
        if stream.other:
            what = "line that is" if stream.other == 1 else "lines that are"
            missing = ", so objects may be missing" if stream.trouble else ""
            message = (
                f"{stream.other} {what} none of the manifest, such as {stream.shown[:120]!r}, "
                f"passed over{missing}"
            )
            place = Location(self._name, stream.line)
            self._reading.stray.append(Finding("warning", "stray-lines", message, place))


def _with_rest(error: YamlSyntaxError) -> ManifestError:
    """Say of broken YAML, not of what is no text at all, that nothing behind it was read."""
    if not error.message.startswith("not valid YAML"):
        return error
    return ManifestError(f"{error.message}; the rest of the file was not read", error.location)


def _is_object(value: object) -> bool:
    return isinstance(value, dict) and "kind" in value and "apiVersion" in value


def _is_raw_object(raw: Raw) -> bool:
    try:
        return None not in json_header(raw)
    except (*BAD_JSON, msgspec.ValidationError):
        return False


def _is_policy_group(api_version: object) -> bool:
    """Return whether an object without a kind is of a group of policies."""
    return isinstance(api_version, str) and api_version.partition("/")[0] in (
        "networking.k8s.io",
        "policy.networking.k8s.io",
    )


def _for_items(header: tuple[str, str], inherited: _Inherited) -> _Inherited:
    """Return what items of a list inherit: ``PodList`` types them, ``List`` does not (A0.1)."""
    api_version, kind = header
    depth = inherited.depth + 1
    if kind == "List":
        return _Inherited(None, None, depth)
    return _Inherited(api_version, kind.removesuffix("List"), depth)
