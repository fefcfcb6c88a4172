"""Takes the header, first record or first bytes of an input, gives the known format it is of.

A format stands in the registry (``known.registry.KNOWN``) with what identifies it and what a person
can do today. A reader for it turns it from refused to read: detection then names the reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

__all__ = [
    "Envelope",
    "Header",
    "KnownFormat",
    "find_envelope",
    "find_keys",
    "find_magic",
    "find_table",
    "find_text",
    "json_keys",
    "looks_like_json",
]

#: How much of an input is searched for what identifies it.
LOOK_BYTES = 1 << 14

#: What exports put before the name of a field: of Google Cloud, Elasticsearch, Azure.
_PREFIXES = ("jsonpayload_", "_source_", "properties_", "flow_", "fields_")


class Header(NamedTuple):
    """Columns that identify a table: all of the first, and one of the others if there are any.

    Names are compared as ``table_columns.plain_name`` gives them; those with an upper-case letter
    or a dot, as they are written. A table that says of each row whether it is a reply
    is no longer of the format where ``marked`` is set: what was wrong with it has been mended.
    """

    all_of: frozenset[str]
    any_of: frozenset[str] = frozenset()
    marked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFormat:
    """A format of flow logs, how it is recognised, and what to do with it.

    Attributes
    ----------
    name : str
        Short and stable, for programs.
    what : str
        What it is, as a message begins.
    advice : str
        What a person can do today to have it judged rightly; the message's end.
    headers : tuple of Header
        Columns of tables of it, CSV, Parquet or Arrow.
    keys : tuple of sets of str
        Keys of its JSON, at any depth; all of one set.
    text : tuple of bytes patterns
        Found by ``re.search`` in its text; ``^`` is the beginning of any line.
    magic : tuple of bytes
        What it may begin with.
    """

    name: str
    what: str
    advice: str
    headers: tuple[Header, ...] = ()
    keys: tuple[frozenset[str], ...] = ()
    text: tuple[re.Pattern[bytes], ...] = ()
    magic: tuple[bytes, ...] = ()


class Envelope(NamedTuple):
    """What wraps the lines of another program's log."""

    what: str
    unwrap: str
    keys: tuple[frozenset[str], ...] = ()
    text: re.Pattern[bytes] | None = None


def find_table(
    names: Iterable[str], plain: Iterable[str], known: Iterable[KnownFormat], *, marked: bool
) -> KnownFormat | None:
    """Return the format of a table with these columns.

    Parameters
    ----------
    names, plain : iterables of str
        The columns' names as written, and as they are compared.
    known : iterable of KnownFormat
        Tried in order.
    marked : bool
        A column says which rows are replies.
    """
    spelled = {name.strip().strip("\ufeff") for name in names}
    spelled |= set(plain)
    for prefix in _PREFIXES:
        spelled |= {name.removeprefix(prefix) for name in spelled if name.startswith(prefix)}
    for one in known:
        for header in one.headers:
            if header.marked and marked:
                continue
            if header.all_of <= spelled and (not header.any_of or header.any_of & spelled):
                return one
    return None


def find_magic(head: bytes, known: Iterable[KnownFormat]) -> KnownFormat | None:
    """Return the format of an input that begins with ``head``, by its first bytes."""
    return next((one for one in known if one.magic and head.startswith(one.magic)), None)


def find_text(head: bytes, known: Iterable[KnownFormat]) -> KnownFormat | None:
    """Return the format of text that begins with ``head``."""
    head = head[:LOOK_BYTES]
    for one in known:
        if any(pattern.search(head) for pattern in one.text):
            return one
    return None


def find_keys(keys: frozenset[str], known: Iterable[KnownFormat]) -> KnownFormat | None:
    """Return the format of JSON with these keys."""
    for one in known:
        if any(wanted <= keys for wanted in one.keys):
            return one
    return None


def find_envelope(head: bytes, keys: frozenset[str], known: Iterable[Envelope]) -> Envelope | None:
    """Return what wraps the records of an input that begins with ``head``."""
    head = head[:LOOK_BYTES]
    for one in known:
        if any(wanted <= keys for wanted in one.keys):
            return one
        if one.text is not None and one.text.match(head):
            return one
    return None


_JSON = re.compile(rb"\s*[\[{]\s*[\"{\[\]}]")
#: JSON after a log's prefix. A comma before it would be a table's.
_PREFIXED_JSON = re.compile(rb"\s*[^\n,{\"]{1,200}\{\s*\"")
_KEY = re.compile(r'"((?:[^"\\\n]|\\.){1,64})"\s*:')


def looks_like_json(head: bytes) -> bool:
    """Return whether an input is JSON, of lines or whole, maybe after a log's prefix."""
    return bool(_JSON.match(head) or _PREFIXED_JSON.match(head))


def json_keys(head: bytes) -> frozenset[str]:
    """Return the keys that stand in the first bytes of JSON, at any depth.

    Those of JSON within a string, as envelopes have it, are among them. The bytes may end anywhere.
    """
    text = head[:LOOK_BYTES].decode("utf-8", "replace").replace('\\"', '"')
    return frozenset(_KEY.findall(text))
