"""Takes text of a cluster or a log, gives text that shows what cannot be seen."""

import unicodedata

from netpol.brevity import shortened

__all__ = ["escape_controls"]


def escape_controls(text: str, *, whole: bool = False) -> str:
    """Give ``text`` with control, format and line-breaking characters as escapes.

    What is too long to be read is cut, except from records (``whole``).
    """
    if not whole:
        text = shortened(text)
    if text.isprintable():  # as nearly every name is; a tenth of the time of looking closer
        return text
    return "".join(
        c.encode("unicode_escape").decode()
        if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
        else c
        for c in text
    )
