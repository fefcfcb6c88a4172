"""Takes text where JSON documents stand between other lines, gives the documents apart from those.

``kubectl cluster-info dump`` writes many documents one after the other, and logs of containers
between; ``2>&1`` puts what kubectl warns of before what it prints. Nothing but lines known to be
such is left out, as any other may be a document of YAML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Stream", "blank_noise", "split_stream"]

# What kubectl, oc and client-go write on stderr, and shells that show their commands.
_NOISE = re.compile(
    rb"(?:Warning: |WARNING: |[IWEF][01]\d[0-3]\d \d\d:\d\d:\d\d\.|error: |Error from server|"
    rb"Unable to |The connection to the server |No resources found|Flag --|Defaulted container |"
    rb"Found existing |Using |\++ |\$ )"
)
_TROUBLE = re.compile(rb"error: |Error from server|Unable to |The connection |E[01]\d[0-3]\d ")
_LOGS = re.compile(rb"^==== START( logs for container [^\r\n]*)", re.MULTILINE)
_OPENING = re.compile(rb"^[{\[]", re.MULTILINE)
_FIRST = re.compile(rb"\s*(?=\S)")
# Begins no line of JSON, however it is laid out, save numbers and words of a bare array.
_OTHER_LINE = re.compile(rb"""\n(?=[^\s{}\[\]",])""")
# Words before which YAML is meant: a key, or the mark between documents.
_YAML_LINE = re.compile(rb"---|[A-Za-z]\w*:(?:\s|$)")
_MOST_HEAD = 64 << 10


class Stream(NamedTuple):
    """The pieces of a text that hold JSON, as (start, end), and what stood between.

    ``other`` counts the lines left out; ``shown`` is the first, or the first that tells of a
    failure, at 1-based ``line``.
    """

    pieces: list[tuple[int, int]]
    other: int = 0
    shown: str = ""
    line: int = 1
    trouble: bool = False


def split_stream(data: bytes, *, is_json: bool) -> Stream | None:
    """Find the JSON in a text that is not all JSON; None if nothing stands between, or it is YAML.

    Parameters
    ----------
    data
        UTF-8 text.
    is_json
        The file's name promises JSON, so lines of any wording may stand between, save such as look
        like YAML.
    """
    begin = _FIRST.match(data)
    if begin is None or not _may_begin(data, begin.end(), is_json):
        return None
    pieces: list[tuple[int, int]] = []
    others: list[int] = []
    place = 0
    for start, end in _outside_logs(data):
        place = start
        while place < end:
            opening = _OPENING.search(data, place, end)
            stop = opening.start() if opening else end
            for at in _lines(data, place, stop):
                if not _may_be_left_out(data, at, is_json):
                    return None
                others.append(at)
            if not opening:
                break
            other = _OTHER_LINE.search(data, stop, end)
            place = other.end() if other else end
            pieces.append((stop, place))
    whole = not others and len(pieces) < 2 and _LOGS.search(data) is None
    if not pieces or whole:
        return None
    return _told(data, pieces, others)


def after_head(data: bytes, *, is_json: bool) -> Stream | None:
    """Find where JSON begins after a few other lines, if no more than those may stand beside it.

    What follows is not looked at, which takes as long as to read it.
    """
    opening = _OPENING.search(data, 0, _MOST_HEAD)
    if opening is None:
        return None
    others = [*_lines(data, 0, opening.start())]
    if not others or not all(_may_be_left_out(data, at, is_json) for at in others):
        return None
    return _told(data, [(opening.start(), len(data))], others)


def blank_noise(text: str) -> tuple[str, Stream | None]:
    """Return YAML without what a command wrote on stderr before it, and what that was.

    Lines keep their numbers.
    """
    lines: list[str] = []
    for line in text[:_MOST_HEAD].split("\n"):
        if line.strip() and not _NOISE.match(line.encode()):
            break
        lines.append(line)
    if not any(line.strip() for line in lines):
        return text, None
    head = "\n".join(lines).encode()
    told = _told(head, [], [*_lines(head, 0, len(head))])
    return "\n" * len(lines) + text.split("\n", len(lines))[-1], told


def _outside_logs(data: bytes) -> list[tuple[int, int]]:
    """Return what is left between logs of containers, which may hold anything.

    Only the line that names the same container ends its log.
    """
    found: list[tuple[int, int]] = []
    place = 0
    while place < len(data) and (begin := _LOGS.search(data, place)):
        found.append((place, begin.start()))
        ending = data.find(b"\n==== END" + begin[1], begin.end())
        place = len(data) if ending < 0 else data.find(b"\n", ending + 1) + 1 or len(data)
    return [*found, (place, len(data))]


def _lines(data: bytes, start: int, end: int) -> Iterator[int]:
    """Yield where each line that is not blank begins."""
    while start < end:
        stop = data.find(b"\n", start, end)
        stop = end if stop < 0 else stop
        if data[start:stop].strip():
            yield start
        start = stop + 1


def _may_begin(data: bytes, place: int, is_json: bool) -> bool:
    """Say at little cost that a text is YAML, as most that get here are."""
    return (
        data[place : place + 1] in (b"{", b"[")
        or _LOGS.match(data, place) is not None
        or _may_be_left_out(data, place, is_json)
    )


def _may_be_left_out(data: bytes, place: int, is_json: bool) -> bool:
    if _NOISE.match(data, place):
        return True
    return is_json and _YAML_LINE.match(data, place) is None


def _told(data: bytes, pieces: list[tuple[int, int]], others: list[int]) -> Stream:
    if not others:
        return Stream(pieces)
    bad = next((at for at in others if _TROUBLE.match(data, at)), None)
    first = others[0] if bad is None else bad
    end = data.find(b"\n", first)
    shown = data[first : end if end >= 0 else len(data)].strip().decode(errors="replace")
    line = data.count(b"\n", 0, first) + 1
    return Stream(pieces, len(others), shown, line, bad is not None)
