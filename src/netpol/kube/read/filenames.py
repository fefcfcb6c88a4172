"""Takes a file's name, gives whether it is a manifest's."""

from __future__ import annotations

__all__ = ["is_manifest"]

_SUFFIXES = tuple(
    suffix + packed for suffix in (".yaml", ".yml", ".json") for packed in ("", ".gz", ".zst")
)


def is_manifest(name: str) -> bool:
    """Return whether a file of this name is taken where a directory is searched."""
    return name.endswith(_SUFFIXES)
