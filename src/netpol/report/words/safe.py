"""Takes text of a cluster or a log, gives text that is safe on a terminal."""

from netpol.model.text import escape_controls

__all__ = ["escape_controls"]
