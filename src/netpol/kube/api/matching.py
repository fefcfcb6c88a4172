"""Takes a label selector and labels, says whether they match (specification.md A3)."""

from __future__ import annotations

from netpol.kube.api.objects import LabelSelector, LabelSelectorRequirement

__all__ = ["selects"]


def selects(selector: LabelSelector | None, labels: dict[str, str]) -> bool:
    """Return whether a selector matches; None and the empty selector match everything."""
    if selector is None:
        return True
    return all(
        labels.get(key) == value for key, value in (selector.match_labels or {}).items()
    ) and all(_meets(each, labels) for each in selector.match_expressions or ())


def _meets(requirement: LabelSelectorRequirement, labels: dict[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in (requirement.values or ())
        case "NotIn":
            return value is None or value not in (requirement.values or ())
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    raise ValueError(f"operator {requirement.operator!r} was not validated")
