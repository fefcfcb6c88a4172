"""Takes a plain value and a Struct type, gives the typed object or every mistake by field path.

Reads as the API server's strict decoder does: a wrong type and an unknown field are errors, a
``null`` is absent, a ``null`` list element or map value is the zero value (specification.md A0.5).
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from netpol.kube.read.yamltree import RepeatedKey, field_path

__all__ = ["Decoded", "Problem", "decode_value"]

T = TypeVar("T", bound=Struct)

_NAMES = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a fraction",
    list: "a list",
    dict: "an object",
    NoneType: "null",
}


class Problem(NamedTuple):
    """One mistake: the dotted field path and what is wrong there."""

    field: str
    message: str


class Decoded(NamedTuple):
    """The outcome of reading one value.

    ``value`` is None if there are ``errors``; ``unknown`` lists fields the type does not have
    (left out of ``value``), ``nulls`` the list elements and map values that were null and became
    zero values. ``partial`` is the value as far as it is right, if that much can be said: what is
    wrong is absent there.
    """

    value: Any
    errors: list[Problem]
    unknown: list[Problem]
    nulls: list[str]
    partial: Any = None


def decode_value(value: object, kind: type[Struct]) -> Decoded:
    """Read a plain value (from JSON or YAML) as ``kind``."""
    try:
        return Decoded(msgspec.convert(value, kind), [], [], [])
    except (msgspec.ValidationError, RecursionError):
        pass  # The slow way finds every mistake, or mends what is only null.
    walk = _Walk()
    cleaned = walk.struct(value, kind, "")
    if walk.errors:
        partial = None
        with suppress(msgspec.ValidationError, RecursionError):
            partial = msgspec.convert(cleaned, kind)
        return Decoded(None, walk.errors, walk.unknown, walk.nulls, partial)
    try:
        typed = msgspec.convert(cleaned, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        return Decoded(None, [Problem("", str(error))], walk.unknown, walk.nulls)
    return Decoded(typed, [], walk.unknown, walk.nulls)


@cache
def _fields(kind: type[Struct]) -> dict[str, Any]:
    return {field.encode_name: field.type for field in msgspec.structs.fields(kind)}


class _Walk:
    """Goes through a value beside its type, cleaning and collecting mistakes."""

    def __init__(self) -> None:
        self.errors: list[Problem] = []
        self.unknown: list[Problem] = []
        self.nulls: list[str] = []

    def struct(self, value: object, kind: type[Struct], path: str) -> object:
        if not isinstance(value, dict):
            return self._mismatch("an object", value, path)
        fields = _fields(kind)
        strict = kind.__struct_config__.forbid_unknown_fields
        cleaned = {}
        for key, child in value.items():
            where = field_path(path, str(key))
            if key not in fields:
                if strict and not isinstance(key, RepeatedKey):  # that is told already
                    self.unknown.append(Problem(where, f"unknown field {str(key)!r}"))
            elif child is not None:
                found = self.any(child, fields[key], where)
                if found is not None:
                    cleaned[key] = found
        return cleaned

    def any(self, value: object, expected: Any, path: str) -> object:
        options = get_args(expected) if isinstance(expected, UnionType) else (expected,)
        option: Any = next((each for each in options if each is not NoneType), Any)
        if option is Any:
            return value
        origin = get_origin(option)
        if origin is list:
            return self._list(value, get_args(option)[0], path)
        if origin is dict:
            return self._strings(value, path)
        if issubclass(option, Struct):
            return self.struct(value, option, path)
        if type(value) not in options:
            wanted = " or ".join(_NAMES[each] for each in options if each is not NoneType)
            return self._mismatch(wanted, value, path)
        return value

    def _list(self, value: object, element: Any, path: str) -> object:
        if not isinstance(value, list | tuple):
            return self._mismatch("a list", value, path)
        cleaned: list[object] = []
        for index, child in enumerate(value):
            where = field_path(path, index)
            if child is None and isinstance(element, UnionType):
                cleaned.append(None)  # The type itself knows null elements.
            elif child is None:
                self.nulls.append(where)
                cleaned.append("" if element is str else {})
            else:
                cleaned.append(self.any(child, element, where))
        return cleaned

    def _strings(self, value: object, path: str) -> object:
        if not isinstance(value, dict):
            return self._mismatch("an object", value, path)
        cleaned = {}
        for key, child in value.items():
            where = field_path(path, str(key))
            if child is None:
                self.nulls.append(where)
            cleaned[str(key)] = "" if child is None else self.any(child, str, where)
        return cleaned

    def _mismatch(self, wanted: str, value: object, path: str) -> object:
        found = _NAMES.get(type(value), type(value).__name__)
        if isinstance(value, bool | int | float):
            found = f"{found} ({str(value).lower()})"
        hint = "; quote it" if "string" in wanted and isinstance(value, bool | int | float) else ""
        self.errors.append(Problem(path, f"expected {wanted}, found {found}{hint}"))
        return None
