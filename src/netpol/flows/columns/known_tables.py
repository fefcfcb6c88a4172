"""Takes the columns of a table, gives the known format it is of, or says that none must be read.

A table that netpol could map and yet would judge wrongly is refused here, whatever it comes as.
"""

from __future__ import annotations

from collections.abc import Sequence

from netpol.flows.columns.names import COLUMNS, plain_name
from netpol.flows.known.formats import KnownFormat, find_table
from netpol.flows.known.registry import KNOWN
from netpol.model.errors import FlowError, Location

__all__ = ["check_columns", "known_table"]


def known_table(names: Sequence[str]) -> KnownFormat | None:
    """Return the format, among those that are not read as any other table, with these columns."""
    plain = [plain_name(name) for name in names]
    marked = not set(plain).isdisjoint(COLUMNS["is_reply"])
    return find_table(names, plain, KNOWN, marked=marked)


def check_columns(names: Sequence[str], where: Location) -> None:
    """Raise ``FlowError`` if a table with these columns is of a known format."""
    known = known_table(names)
    if known is not None:
        raise FlowError(f"{known.what}, which netpol does not read; {known.advice}", where)
