r"""Takes text of a cluster or a log, gives text that does no harm where it is written.

Names, labels, file names and lines of logs may hold anything. *Hidden* characters are those that
nobody sees, or that act on what stands beside them: all that ``str.isprintable`` refuses (controls,
C1 too, bidi marks, other format characters, line separators, private, unassigned and half
characters, blanks other than U+0020), and the few in ``_BLANK`` that it lets pass. The rules:

======================  ===========================================================================
written as              what is done with a hidden character, and with what the medium would act on
======================  ===========================================================================
text, errors, warnings  shown as an escape: ``\x1b``, ``\u202e``, ``\U000e0001``; a line is netpol's
                        own, never begun by a name; a file has the same text as a terminal
JSON, JSON lines,       the same value exactly; as ``\u202e`` in JSON's own spelling, in files too,
SARIF                   so that the bytes can be shown anywhere; SARIF's messages as text
Arrow, Parquet          the same value exactly
CSV (``safe``)          as in text, so a record is a line; ``'`` before what a spreadsheet would
                        take for a formula
CSV (``exact``)         the same value exactly, quoted as RFC 4180 has it; never to a terminal
HTML, SVG, JUnit XML    as in text, which leaves no character that XML cannot hold; then entities
GitHub annotations      as in text; ``%`` and line breaks of netpol's own as the runner reads them
Markdown                as in text; whatever Markdown or HTML would act on as a character reference
DOT                     as in text; quotes and backslashes escaped
YAML (``coverage``)     the manifest's own text unchanged, to a terminal as in text; comments as in
                        text
======================  ===========================================================================

Half characters (lone surrogates) are in no UTF-8. They stand for bytes of a file name or option
that are not UTF-8, and are their escape (``\udcff``, six characters) in every medium.
"""

from __future__ import annotations

import re

from netpol.model.brevity import shortened

__all__ = ["encodable", "escape_controls", "escape_hidden_in_json"]

#: Characters that show nothing although they count as printable: joiners, fillers, selectors.
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
_BLANK += "\U000e0100-\U000e01ef"
_BLANKS = re.compile(f"[{_BLANK}]")
_PERHAPS = re.compile("[\x7f-\U0010ffff]")


def escape_controls(text: str, *, whole: bool = False) -> str:
    """Return ``text`` with each hidden character as an escape.

    What is too long to be read is cut, except from records (``whole``).
    """
    if not whole:
        text = shortened(text)
    if text.isprintable() and (text.isascii() or _BLANKS.search(text) is None):
        return text  # as nearly every name is; a tenth of the time of looking closer
    return "".join(c.encode("unicode_escape").decode() if _is_hidden(c) else c for c in text)


def escape_hidden_in_json(data: bytes) -> bytes:
    r"""Return JSON text whose hidden characters are ``\uXXXX``; it means the same."""
    if data.isascii() and b"\x7f" not in data:  # JSON itself escapes what is below U+0020
        return data
    return _PERHAPS.sub(_in_json, data.decode()).encode()


def encodable(text: str) -> str:
    """Return ``text`` with lone surrogates, which UTF-8 cannot hold, as escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _is_hidden(c: str) -> bool:
    return not c.isprintable() or _BLANKS.match(c) is not None


def _in_json(found: re.Match[str]) -> str:
    c = found[0]
    if not _is_hidden(c):
        return c
    units = c.encode("utf-16-be").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
