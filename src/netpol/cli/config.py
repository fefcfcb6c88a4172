"""Takes ``netpol.toml``, gives defaults for a command's options.

Keys are the long option names, with hyphens or underscores. A table named like a command is for
that command and overrides the top level, which holds what commands share: the keys that are also
``NETPOL_KEY`` in the environment. Relative paths are relative to the file they stand in. Values are
of TOML's types as the options have them: a flag is true or false, never a word.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import click

from netpol.cli.gates import Limit
from netpol.cli.ignore_kinds import KindList
from netpol.cli.options import OutputPath, PathOrRevision, Size
from netpol.cli.registry import COMMANDS, command_of
from netpol.model.errors import ConfigError, Location
from netpol.model.likeness import suggestion

__all__ = ["DEFAULT_FILE", "default_map"]

DEFAULT_FILE = "netpol.toml"

_MOST_BYTES = 1 << 16
_MOST_DOTS = 500  # tomllib takes the square of a key's parts: 32 000 of them take a minute
_LONGEST = 80  # characters of a value in a message
_NAME_IT = f"a {DEFAULT_FILE} that was only found may not; name it with --config, or use the option"


def default_map(file: str | None, command: click.Command) -> dict[str, Any]:
    """Return the settings for ``command`` by parameter name; empty without a file.

    A file that was not named but found may not say where to write, nor run git.

    Raises
    ------
    ConfigError
        The file is named and cannot be read, is not TOML, or has a key that no option has, a value
        that the option does not take, or one that a file that was found may not set.
    """
    if file is None and not Path(DEFAULT_FILE).is_file():
        return {}
    if file == "":
        raise ConfigError("--config: names no file")
    return _Settings(DEFAULT_FILE if file is None else file, found=file is None).settings_of(
        command
    )


class _Settings:
    def __init__(self, file: str, *, found: bool) -> None:
        self._file = file
        self._found = found
        self._text = _text_of(file)
        try:
            self._values = tomllib.loads(self._text)
        except RecursionError:
            raise ConfigError(f"{file}: not TOML: nested too deep") from None
        except ValueError as error:  # also what is no number to Python
            raise ConfigError(f"{file}: not TOML: {error}") from None

    def settings_of(self, command: click.Command) -> dict[str, Any]:
        """Return the values for a command, checked."""
        options = _options(command)
        common = {k: v for k, v in self._values.items() if k not in COMMANDS}
        own = self._values.get(command.name or "", {})
        if not isinstance(own, dict):
            raise self._error("", command.name or "", "is not a table")
        settings: dict[str, Any] = {}
        for place, table in (("", common), (command.name or "", own)):
            read: set[str] = set()
            for key, value in table.items():
                name = key.replace("-", "_")
                if name in read:
                    raise self._error(place, key, "is set twice, with hyphens and underscores")
                read.add(name)
                option = options.get(name)
                if option is not None and (place or _is_shared(option)):
                    settings[name] = self._value(place, key, value, option)
                elif place or not _known_elsewhere(name):
                    known = options if place else {**_all_options(), **dict.fromkeys(COMMANDS)}
                    near = suggestion(name, known).replace("_", "-")
                    raise self._error(place, key, f"no such setting{near}")
        return settings

    def _value(self, place: str, key: str, value: Any, option: click.Option) -> Any:
        if isinstance(value, dict) or (isinstance(value, list) and not option.multiple):
            raise self._error(place, key, "is not a single value")
        items = value if isinstance(value, list) else [value]
        checked = [self._item(place, key, item, option) for item in items]
        return checked if option.multiple else checked[0]

    def _item(self, place: str, key: str, value: Any, option: click.Option) -> Any:
        """Check one value as its option's type has it; paths become relative to the file."""
        wanted = _wrong_type(value, option)
        if wanted is not None:
            raise self._error(place, key, f"{_short(value)} is not {wanted}")
        if isinstance(value, str) and "\0" in value:
            raise self._error(place, key, "has a NUL character")
        if isinstance(option.type, OutputPath) and self._found:
            raise self._error(place, key, f"says where to write: {_NAME_IT}")
        if isinstance(option.type, click.Path | PathOrRevision):
            return self._path(place, key, value, option.type)
        try:
            option.type.convert(value, option, None)
        except click.UsageError as error:
            raise self._error(place, key, error.message) from None
        return value

    def _path(self, place: str, key: str, value: str, kind: object) -> str:
        path = value if value == "-" else str(Path(self._file).parent / value)
        if not isinstance(kind, PathOrRevision) or os.path.lexists(path):
            return path
        if self._found and value not in ("-", "none"):
            raise self._error(
                place, key, f"{_short(value)} does not exist, and git is not asked: {_NAME_IT}"
            )
        return value

    def _error(self, place: str, key: str, message: str) -> ConfigError:
        line = _line_of(self._text, place, key)
        where = Location(self._file, line, f"{place}.{key}" if place else key)
        return ConfigError(f"{where}: {message}")


def _text_of(file: str) -> str:
    """Read a settings file, as far as it is none that takes for ever to read."""
    try:
        with Path(file).open("rb") as handle:
            data = handle.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    if len(data) > _MOST_BYTES:
        raise ConfigError(f"{file}: not settings: more than {_MOST_BYTES >> 10} KiB")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}: not TOML: not UTF-8") from None
    for number, line_text in enumerate(text.split("\n"), 1):
        if line_text.count(".") > _MOST_DOTS:
            raise ConfigError(f"{file}:{number}: more than {_MOST_DOTS} dots in a line")
    return text


def _line_of(text: str, table: str, key: str) -> int | None:
    """Return the line on which a key is set, None where it is written in some other way."""
    inside = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*([^\[\]]*?)\s*\]", line)
        if header is not None:
            inside = header[1].strip("\"'")
        name = (header[1] if header is not None else line.partition("=")[0]).strip()
        place = "" if header is not None else inside
        if (place, name.strip("\"'")) == (table, key):
            return number
        if not place and re.split(r"\s*\.\s*", name) == [part for part in (table, key) if part]:
            return number
    return None


def _wrong_type(value: Any, option: click.Option) -> str | None:
    """Return what the value should be, None if it is that: TOML's types, as the option has them."""
    kind = option.type
    is_bool, is_number = isinstance(value, bool), type(value) is int
    if option.is_flag:
        return None if is_bool else "true or false"
    if isinstance(kind, click.types.IntParamType):
        return None if is_number else "a whole number"
    if isinstance(value, str):
        return None
    if isinstance(kind, KindList):
        return None if is_bool else "text, true or false"
    if isinstance(kind, Size | Limit):
        return None if is_number else "a whole number or text"
    if isinstance(kind, click.Choice):
        return None if is_number and str(value) in kind.choices else "text"
    return "a path" if isinstance(kind, click.Path | PathOrRevision) else "text"


def _short(value: object) -> str:
    text = repr(value) if isinstance(value, str | int | float | list) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _options(command: click.Command) -> dict[str, click.Option]:
    options = (param for param in command.params if isinstance(param, click.Option))
    return {option.name: option for option in options if option.name is not None}


def _is_shared(option: click.Option) -> bool:
    """Return whether the option means the same for every command that has it."""
    return option.envvar == f"NETPOL_{(option.name or '').upper()}"


def _known_elsewhere(name: str) -> bool:
    """Return whether another command has the option: a shared file may set what this one lacks."""
    return name in _all_options()


def _all_options() -> dict[str, click.Option]:
    commands = map(command_of, COMMANDS)
    return {name: o for command in commands if command for name, o in _options(command).items()}
