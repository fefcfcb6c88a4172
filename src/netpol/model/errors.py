"""The tree of errors netpol raises, drawn here once.

::

    NetpolError                 everything below; the CLI turns each into one message and exit 2
    ├── ConfigError             a switch, option or argument that makes no sense
    ├── InputError              something read is wrong; carries file, line and field
    │   ├── ManifestError       not YAML/JSON, wrong kind, unknown field, duplicate key or object
    │   ├── ValidationError     an object the API server would refuse
    │   ├── SnapshotError       the cluster as read cannot be used (no pods, clashing objects)
    │   └── FlowError           a log that cannot be read, or a bad record under --strict
    ├── MissingExtraError       an optional package is not installed; says what installs it
    ├── CapacityError           tables would exceed the memory budget; decided before allocating
    └── OutputError             a result could not be written; nothing half-written remains
"""

from __future__ import annotations

from typing import NamedTuple

from netpol.model.brevity import shortened
from netpol.model.text import escape_controls

__all__ = [
    "CapacityError",
    "ConfigError",
    "FlowError",
    "InputError",
    "Location",
    "ManifestError",
    "MissingExtraError",
    "NetpolError",
    "OutputError",
    "SnapshotError",
    "ValidationError",
]


class Location(NamedTuple):
    """A place in an input: ``file``, 1-based ``line`` and dotted ``field``, each if known."""

    file: str | None = None
    line: int | None = None
    field: str | None = None

    def __str__(self) -> str:
        """Return ``file:line: field``, leaving out what is not known; what is too long is cut.

        A name is one line of a message, whatever it holds.
        """
        place = escape_controls(self.file or "")
        if self.line is not None:
            place = f"{place}:{self.line}" if place else f"line {self.line}"
        return ": ".join(part for part in (place, shortened(self.field or "")) if part)


class NetpolError(Exception):
    """Base of every error netpol raises on purpose. What its message quotes is cut to size."""

    def __init__(self, message: str = "") -> None:
        super().__init__(shortened(message))


class ConfigError(NetpolError):
    """A switch, option or argument that makes no sense."""


class MissingExtraError(NetpolError):
    """An optional package that ``what`` needs is not installed; ``extra`` of netpol has it."""

    def __init__(self, what: str, package: str, extra: str) -> None:
        super().__init__(
            f"{what} needs the package {package}, which is not installed\n"
            f"pip install 'netpol-replay[{extra}]'"
        )


class InputError(NetpolError):
    """Something read is wrong. ``location`` says where, ``message`` says what."""

    def __init__(self, message: str, location: Location | None = None) -> None:
        super().__init__(message)
        self.message = str(self.args[0])
        self.location = location or Location()

    def __str__(self) -> str:
        """Return ``file:line: field: message``."""
        place = str(self.location)
        return f"{place}: {self.message}" if place else self.message


class ManifestError(InputError):
    """Not YAML or JSON, a wrong kind, an unknown field, a duplicate key or object."""


class NothingThereError(ManifestError):
    """No manifest at all: an empty file or directory, or a path that a git revision lacks."""


class ValidationError(InputError):
    """An object the API server would have refused (specification.md A1)."""


class SnapshotError(InputError):
    """The cluster as read cannot be used."""


class FlowError(InputError):
    """A log of flows or DNS that cannot be read, or a bad record where ``strict`` was asked for."""


class CapacityError(NetpolError):
    """The compiled tables would exceed the memory budget."""


class OutputError(NetpolError):
    """A result could not be written."""
