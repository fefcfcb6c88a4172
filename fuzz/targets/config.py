"""Attacks ``netpol.toml``: bytes as they are, and values of every type for every option.

Must hold: a settings file is taken, or refused with one message that names it; nothing it says
ends in a traceback, and one that was only found writes no file.
"""

from __future__ import annotations

import click

from fuzz.targets.arguments import check, folder
from netpol.cli.config import default_map
from netpol.cli.main import main
from netpol.cli.registry import COMMANDS
from netpol.model.errors import ConfigError

__all__ = ["one", "seeds"]

_VALUES = (
    "true", "false", "0", "-1", "3", "99999999999999999999", "1.5", "nan", "-inf", "1e400", '""',
    '"x"', '"maybe"', '"1GiB"', '"policies.yaml"', '"none"', '"HEAD"', '"-"', '"\\u0000"',
    '"\\u202e"', '"../out"', '"out"', "[]", '["a"]', "[1]", "[[]]", "{}", "{a = 1}", "1979-05-27",
    "1979-05-27T07:32:00Z", "07:32:00", "0001-01-01T00:00:00+23:59", "0x7fffffffffffffff",
    "'deny'", "'calico,cilium'", "'443/tcp'", "'1%'", "'n1=1.2.3.4'", "'dns'", "'4'", "4",
)  # fmt: skip
_NAMES = sorted(
    {
        str(param.name)
        for name in COMMANDS
        for param in (main.get_command(click.Context(main), name) or main).params
        if isinstance(param, click.Option)
    }
    | {"nothing", "replays", ""}
)


def one(data: bytes) -> None:
    """Take the first byte as what to do: the bytes as a file, or as choices of names and values."""
    kind, rest = (data[0], data[1:]) if data else (0, b"")
    text = rest if kind % 3 == 0 else _structured(rest)
    commands = list(COMMANDS)
    name = commands[kind % len(commands)]
    place = folder() / ("found" if kind % 2 else "other.toml")
    place.write_bytes(text)
    command = main.get_command(click.Context(main), name)
    assert command is not None
    try:
        default_map(str(place), command)
    except ConfigError as error:
        if not str(error).startswith(str(place)):
            raise AssertionError((text, str(error))) from error
    if kind % 5 == 0:
        check(["--config", str(place), name, *_words(name)])
    place.unlink(missing_ok=True)


def _words(name: str) -> list[str]:
    from fuzz.targets.arguments import _LEAST

    return _LEAST[name]


def _structured(choices: bytes) -> bytes:
    lines = []
    for first, second in zip(choices[::2], choices[1::2], strict=False):
        if first > 250:
            lines.append(f"[{list(COMMANDS)[second % len(COMMANDS)]}]")
        else:
            key = _NAMES[first % len(_NAMES)] or '""'
            lines.append(f"{key} = {_VALUES[second % len(_VALUES)]}")
    return "\n".join(lines).encode()


def seeds() -> list[bytes]:
    """Return files of ours, and each name with some value."""
    files = [b"", b"top = 3\n", b"[replay]\nfail-on = 'deny'\n", b"\xef\xbb\xbfquiet = true\n"]
    named = [bytes([1, n, n * 5 % len(_VALUES)]) for n in range(len(_NAMES))]
    return [b"\0" + text for text in files] + named
