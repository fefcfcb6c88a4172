"""Every code of ``netpol check``: what it means and why, with an example and its mended form."""

from __future__ import annotations

from difflib import get_close_matches
from typing import NamedTuple

from netpol.lint.catalogue.beside import BESIDE
from netpol.lint.catalogue.cluster_wide import CLUSTER_WIDE
from netpol.lint.catalogue.compiled import COMPILED, SILENCING
from netpol.lint.catalogue.read import READ
from netpol.lint.catalogue.refused import REFUSED, STORED
from netpol.lint.catalogue.rule import Rule
from netpol.lint.catalogue.written import RULES_ALONE, WRITTEN
from netpol.model.errors import ConfigError

__all__ = ["ALL", "FAMILIES", "RULES", "Family", "close_to", "codes_named", "rule_named"]

#: The word that means every code.
ALL = "all"
#: Letters by which words of two codes are taken for the same: allow, allows.
_STEM = 4


class Family(NamedTuple):
    """Codes that are looked for together, with a title."""

    title: str
    rules: tuple[Rule, ...]


FAMILIES = (
    Family("What cannot be used", REFUSED),
    Family("Cluster-scoped policies that servers store although they cannot work", STORED),
    Family("As it is written", WRITTEN),
    Family("What was read, and what was not", READ),
    Family("Rules of a NetworkPolicy", RULES_ALONE),
    Family("Cluster-scoped policies", CLUSTER_WIDE),
    Family("With a cluster", BESIDE),
    Family("With a cluster, compiled", COMPILED),
    Family("Silencing", SILENCING),
)

RULES: dict[str, Rule] = {rule.code: rule for family in FAMILIES for rule in family.rules}


def rule_named(code: str) -> Rule:
    """Return what is known of a code.

    Raises
    ------
    ConfigError
        There is no such code; the message has those that are close.
    """
    if code not in RULES:
        raise ConfigError(f"no code {code!r}{close_to(code)}")
    return RULES[code]


def codes_named(word: str) -> frozenset[str]:
    """Return the codes that a word stands for: a code, its first words, or ``all``.

    Raises
    ------
    ConfigError
        There is no such code; the message has those that are close.
    """
    if word == ALL:
        return frozenset(RULES)
    found = frozenset(code for code in RULES if code == word or code.startswith(f"{word}-"))
    if not word or not found:
        raise ConfigError(f"no code {word!r}{close_to(word)}")
    return found


def close_to(word: str) -> str:
    """Return the codes that are nearly it, as the end of a message."""
    word = word.lower().replace("_", "-")
    found = get_close_matches(word, RULES, 3, 0.6)
    begins = [each[:_STEM] for each in word.split("-") if len(each) > 2]
    found += [
        code
        for code in RULES
        if code not in found
        and any(part.startswith(begin) for part in code.split("-") for begin in begins)
    ]
    return f"; close are {', '.join(found[:3])}" if found else "; `netpol rule --all` lists all"
