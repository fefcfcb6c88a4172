"""Takes a label selector and labels, gives what is asked, what holds and what does not, in words.

``matching.selector_match`` decides; this tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from netpol.kube.api.objects import LabelSelector

__all__ = ["Requirement", "held", "missed", "missing", "requirements", "selector_text"]


class Requirement(NamedTuple):
    """One demand of a selector on a label."""

    key: str
    operator: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as ``kubectl -l`` takes it."""
        match self.operator:
            case "In" if len(self.values) == 1:
                return f"{self.key}={self.values[0]}"
            case "In":
                return f"{self.key} in ({','.join(self.values)})"
            case "NotIn" if len(self.values) == 1:
                return f"{self.key}!={self.values[0]}"
            case "NotIn":
                return f"{self.key} notin ({','.join(self.values)})"
            case "Exists":
                return self.key
            case "DoesNotExist":
                return f"!{self.key}"
        return f"{self.key} {self.operator} ({','.join(self.values)})"

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Return whether labels meet it (A3.2-A3.4)."""
        value = labels.get(self.key)
        match self.operator:
            case "In":
                return value is not None and value in self.values
            case "NotIn":
                return value is None or value not in self.values
            case "Exists":
                return value is not None
        return value is None


def requirements(selector: LabelSelector | None) -> list[Requirement]:
    """Return every requirement, ``matchLabels`` first."""
    if selector is None:
        return []
    pairs = (selector.match_labels or {}).items()
    found = [Requirement(key, "In", (value,)) for key, value in pairs]
    for item in selector.match_expressions or ():
        found.append(Requirement(item.key, item.operator, tuple(item.values or ())))
    return found


def selector_text(selector: LabelSelector | None) -> str:
    """Return ``app=web,tier in (a,b)``; ``{}`` for one that demands nothing."""
    return ",".join(str(each) for each in requirements(selector)) or "{}"


def missing(selector: LabelSelector | None, labels: Mapping[str, str]) -> list[Requirement]:
    """Return the requirements that labels do not meet."""
    return [each for each in requirements(selector) if not each.holds(labels)]


def missed(selector: LabelSelector | None, labels: Mapping[str, str]) -> str:
    """Say what is wrong with labels: ``has no label team, has app=api``."""
    words = []
    for each in missing(selector, labels):
        value = labels.get(each.key)
        words.append(f"has no label {each.key}" if value is None else f"has {each.key}={value}")
    return ", ".join(dict.fromkeys(words))


def held(selector: LabelSelector | None, labels: Mapping[str, str]) -> str:
    """Say what the labels are that a selector asks for: ``app=web,!tier``; empty for ``{}``."""
    keys = dict.fromkeys(each.key for each in requirements(selector))
    return ",".join(f"{key}={labels[key]}" if key in labels else f"!{key}" for key in keys)
