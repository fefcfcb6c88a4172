"""One thing a person should know about an input that is not an error, and where it stands."""

from __future__ import annotations

from typing import Literal, NamedTuple

from netpol.errors import Location

__all__ = ["Finding", "policy_label"]


class Finding(NamedTuple):
    """A warning or a note. ``code`` is stable, lower case joined by hyphens."""

    severity: Literal["warning", "info"]
    code: str
    message: str
    location: Location
    policy: str | None = None  # "namespace/name"

    def __str__(self) -> str:
        """Give ``file:line: field: message`` with the policy it is about."""
        text = f"NetworkPolicy {self.policy}: {self.message}" if self.policy else self.message
        return f"{self.location}: {text}" if str(self.location) else text


def policy_label(namespace: str | None, name: str) -> str:
    """Give ``namespace/name`` as every output spells it."""
    return f"{namespace or 'default'}/{name}"
