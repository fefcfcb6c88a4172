"""Takes patterns such as ``tests`` or ``charts/*/ci``, gives whether a path matches one of them.

As in a ``.gitignore``: a pattern without a slash matches a file or folder of that name anywhere;
one with a slash matches a path from where it is anchored. ``*`` and ``?`` stay within one name,
``**`` does not. What lies below a folder that matches, matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from netpol.model.errors import ConfigError

__all__ = ["Globs"]


class Globs:
    """Some patterns, made ready.

    Raises
    ------
    ConfigError
        A pattern is empty.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._names: list[re.Pattern[str]] = []
        self._paths: list[re.Pattern[str]] = []
        for pattern in patterns:
            words = pattern.removeprefix("./")
            anchored = "/" in words.rstrip("/")
            if not words.strip("/"):
                raise ConfigError(f"{pattern!r} is no pattern of files to exclude")
            listed = self._paths if anchored else self._names
            listed.append(_translated(words))

    def __bool__(self) -> bool:
        return bool(self._names or self._paths)

    def match(self, *spellings: str, folder: bool = False) -> bool:
        """Return whether a path, however it is spelt, or a folder above it matches a pattern.

        Parameters
        ----------
        *spellings
            One path as it may be written, with ``/``: from the directory searched, as shown.
        folder
            The path itself is that of a folder.
        """
        return any(
            self._matches(part)
            for path in spellings
            for part in _with_folders(path.removeprefix("./") + ("/" if folder else ""))
        )

    def _matches(self, path: str) -> bool:
        """Match one path, which ends with a slash if it is a folder's."""
        name = path[path.rfind("/", 0, -1) + 1 :]
        return any(each.fullmatch(name) for each in self._names) or any(
            each.fullmatch(path) for each in self._paths
        )


def _with_folders(path: str) -> Iterable[str]:
    """Yield every folder above a path, with its slash, and the path."""
    for i, character in enumerate(path[:-1]):
        if character == "/" and i:
            yield path[: i + 1]
    yield path


def _translated(pattern: str) -> re.Pattern[str]:
    """Return the expression for a path that ends with a slash if it is a folder's."""
    parts: list[str] = []
    # A leading slash only anchors, save in what is spelt as an absolute path.
    rest = "/?" if pattern.startswith("/") else ""
    place = 1 if rest else 0
    parts.append(rest)
    body = pattern.rstrip("/")
    while place < len(body):
        found = _TOKEN.match(body, place)
        token = found[0] if found else body[place]
        parts.append(_MEANING[token] if token in _MEANING else _literal(token))
        place += len(token)
    parts.append("/" if pattern.endswith("/") else "/?")
    return re.compile("".join(parts), re.DOTALL)


_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\]")
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _literal(token: str) -> str:
    """Return the expression for one character, or for a set of them."""
    if len(token) == 1:
        return re.escape(token)
    body = token[1:-1].replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]")
    body = body.replace("&&", r"&\&").replace("--", r"-\-").replace("||", r"|\|")
    inverted = body.startswith("!")
    body = body[1:] if inverted else body.replace("^", r"\^", 1) if body[0] == "^" else body
    try:
        re.compile(f"[{body}]")
    except re.error:
        return re.escape(token)
    return f"(?!/)[{'^' if inverted else ''}{body}]"
