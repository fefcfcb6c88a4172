"""Takes plain values, gives JSON that any reader takes and any terminal can show (``text.py``)."""

from __future__ import annotations

from typing import Any

import msgspec

from netpol.model.text import encodable, escape_hidden_in_json

__all__ = ["value", "written"]


def written(content: dict[str, Any]) -> bytes:
    """Return a document as indented JSON, ending in a newline."""
    return msgspec.json.format(_encoded(content), indent=2) + b"\n"


def value(text: str) -> str:
    """Return one string of a JSON line."""
    return _encoded(text).decode()


def _encoded(content: Any) -> bytes:
    try:
        data = msgspec.json.encode(content)
    except UnicodeEncodeError:  # of lone surrogates only, so hardly ever
        data = msgspec.json.encode(_encodable(content))
    return escape_hidden_in_json(data)


def _encodable(content: Any) -> Any:
    if isinstance(content, str):
        return encodable(content)
    if isinstance(content, dict):
        return {_encodable(key): _encodable(item) for key, item in content.items()}
    if isinstance(content, list | tuple):
        return [_encodable(item) for item in content]
    return content
