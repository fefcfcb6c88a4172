"""``--ignore-kinds``: policies that are not judged are counted instead of refused.

Alone it means every kind; with a value, the kinds it lists. A word that follows is its value only
if it names such kinds, so that ``--ignore-kinds flows.csv`` does not swallow a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from netpol.model.errors import ConfigError

__all__ = ["KindList", "ignore_kinds_option", "spelled_out"]

_NAME = "--ignore-kinds"


class KindList(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.3
    """Kinds of policies, apart by commas; ``all`` is every one."""

    name = "kinds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the words, each checked."""
        from netpol.kube.api.ignored_kinds import EVERY_KIND, ignored_kinds

        if value is True or str(value).lower() in ("1", "true", "yes", "on"):
            return EVERY_KIND
        if value is False or str(value).lower() in ("0", "false", "no", "off"):
            return ""
        try:
            ignored_kinds(str(value))
        except ConfigError as error:
            self.fail(str(error), param, ctx)
        return str(value)


def ignore_kinds_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--ignore-kinds``."""
    return click.option(
        _NAME,
        type=KindList(),
        is_flag=False,
        flag_value="all",
        default="",
        metavar="[KINDS]",
        envvar="NETPOL_IGNORE_KINDS",
        help="Count policies that netpol does not judge (Cilium, Calico, Istio ...) instead of "
        "refusing them among the policies; alone it means all, else kinds, as in "
        "CiliumNetworkPolicy, NetworkPolicy.projectcalico.org or cilium.io.",
    )(command)


def spelled_out(words: Sequence[str]) -> list[str]:
    """Return a command line on which ``--ignore-kinds`` has a value of its own."""
    found: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return [*found, word, *rest]
        if word == _NAME:
            value = rest.pop(0) if rest and _names_kinds(rest[0]) else "all"
            word = f"{_NAME}={value}"
        found.append(word)
    return found


def _names_kinds(word: str) -> bool:
    from netpol.kube.api.ignored_kinds import ignored_kinds

    if word.startswith("-"):
        return False
    try:
        ignored_kinds(word)
    except ConfigError:
        return False
    return True
