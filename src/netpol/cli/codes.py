"""Codes of ``netpol check`` as a person names them on the command line."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["CodeWords"]


class CodeWords(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.3
    """Codes, or first words of codes, apart by commas."""

    name = "codes"

    def __init__(self, *, ignored: bool = False) -> None:
        self._ignored = ignored

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> frozenset[str]:
        """Return the codes that are meant, each of which exists."""
        from netpol.lint.catalogue import RULES, codes_named
        from netpol.model.errors import ConfigError

        if isinstance(value, frozenset):
            return value
        found: frozenset[str] = frozenset()
        for word in str(value).split(","):
            try:
                codes = codes_named(word.strip())
            except ConfigError as error:
                self.fail(str(error), param, ctx)
            if self._ignored and not any(RULES[code].silenced for code in codes):
                self.fail(f"{word.strip()} cannot be ignored: it is an error", param, ctx)
            found |= codes
        return found
