"""Takes ``netpol.toml``, gives defaults for a command's options.

Keys are the long option names, with hyphens or underscores. A table named like a command is for
that command and overrides the top level, which holds what commands share: the keys that are also
``NETPOL_KEY`` in the environment. Relative paths are relative to the file they stand in.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import click

from netpol.cli.options import PathOrRevision
from netpol.errors import ConfigError

__all__ = ["DEFAULT_FILE", "default_map"]

DEFAULT_FILE = "netpol.toml"


def default_map(file: str | None, command: click.Command) -> dict[str, Any]:
    """Give the settings for ``command`` by parameter name; empty without a file.

    Raises
    ------
    ConfigError
        The file is named and cannot be read, is not TOML, or has a key that no option has.
    """
    path = Path(file or DEFAULT_FILE)
    if file is None and not path.is_file():
        return {}
    return _Settings(path).for_command(command)


class _Settings:
    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as handle:
                self._values = tomllib.load(handle)
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not TOML: {error}") from error

    def for_command(self, command: click.Command) -> dict[str, Any]:
        from netpol.cli.main import COMMANDS

        options = _options(command)
        common = {k: v for k, v in self._values.items() if k not in COMMANDS}
        own = self._values.get(command.name or "", {})
        if not isinstance(own, dict):
            raise ConfigError(f"{self._path}: {command.name}: is not a table")
        settings: dict[str, Any] = {}
        for place, table in (("", common), (f"{command.name}.", own)):
            for key, value in table.items():
                name = key.replace("-", "_")
                option = options.get(name)
                if option is not None and (place or _is_shared(option)):
                    settings[name] = self._value(place + key, value, option)
                elif place or not _known_elsewhere(name):
                    raise ConfigError(f"{self._path}: {place}{key}: no such setting")
        return settings

    def _value(self, key: str, value: Any, option: click.Option) -> Any:
        if isinstance(value, dict) or (isinstance(value, list) and not option.multiple):
            raise ConfigError(f"{self._path}: {key}: is not a single value")
        if option.multiple and not isinstance(value, list):
            value = [value]
        if isinstance(option.type, PathOrRevision):
            return [self._resolve_if_there(key, item) for item in value]
        if isinstance(option.type, click.Path):
            return (
                [self._resolve(key, item) for item in value]
                if option.multiple
                else (self._resolve(key, value))
            )
        return value

    def _resolve_if_there(self, key: str, value: Any) -> str:
        path = self._resolve(key, value)
        return path if os.path.lexists(path) else str(value)

    def _resolve(self, key: str, value: Any) -> str:
        if not isinstance(value, str):
            raise ConfigError(f"{self._path}: {key}: {value!r} is not a path")
        return value if value == "-" else str(self._path.parent / value)


def _options(command: click.Command) -> dict[str, click.Option]:
    options = (param for param in command.params if isinstance(param, click.Option))
    return {option.name: option for option in options if option.name is not None}


def _is_shared(option: click.Option) -> bool:
    """Whether the option means the same for every command that has it."""
    return option.envvar == f"NETPOL_{(option.name or '').upper()}"


def _known_elsewhere(name: str) -> bool:
    """Whether another command has the option: a shared file may set what this one lacks."""
    from netpol.cli.main import COMMANDS, main

    context = click.Context(main)
    commands = (main.get_command(context, other) for other in COMMANDS)
    return any(name in _options(command) for command in commands if command)
