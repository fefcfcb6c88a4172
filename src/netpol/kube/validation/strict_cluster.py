"""Takes what decoding a cluster-scoped policy found, gives what is refused under every switch.

A server prunes an unknown field. Inside a selector, a peer or a subject that leaves something that
selects more, up to every namespace, so there it is never left out (specification.md B2.5, B7.4).
"""

from __future__ import annotations

import re

from netpol.kube.read.typed import Problem

__all__ = ["split_nulls", "split_unknown"]

_SELECTING = re.compile(
    r"spec\.(?:subject|ingress\[\d+\]\.from\[\d+\]|egress\[\d+\]\.to\[\d+\])"
    r"(?P<inside>[.\[].*)"
)
# What the API up to v0.1.1 had there, and what takes its place.
_OLD_SHAPES = {
    ".namespaces.namespaceSelector": "write its content directly under namespaces",
    ".namespaces.sameLabels": "no field replaces it: select the namespaces by their labels",
    ".namespaces.notSameLabels": "no field replaces it: select the namespaces by their labels",
    ".pods.namespaces": "write pods.namespaceSelector",
}


def split_unknown(unknown: list[Problem]) -> tuple[list[Problem], list[Problem]]:
    """Return the unknown fields that are always an error, and those that may be left out."""
    refused = []
    others = []
    for problem in unknown:
        selecting = _SELECTING.fullmatch(problem.field)
        if selecting is None:
            others.append(problem)
        else:
            refused.append(_refused(problem, selecting["inside"]))
    return refused, others


def _refused(problem: Problem, inside: str) -> Problem:
    instead = _OLD_SHAPES.get(inside)
    if instead is None:
        return Problem(
            problem.field,
            f"{problem.message}: without it something else would be selected, so it is never "
            "left out",
        )
    return Problem(
        problem.field,
        f"{problem.message}: it is of the API up to v0.1.1, and a server of today would prune it, "
        f"which leaves all namespaces; {instead}",
    )


def split_nulls(nulls: list[str]) -> tuple[list[Problem], list[str]]:
    """Return the nulls that the CRD refuses, all but those of metadata, and the others."""
    refused = [
        Problem(path, "Invalid value: null: may not be null") for path in nulls if _in_spec(path)
    ]
    return refused, [path for path in nulls if not _in_spec(path)]


def _in_spec(path: str) -> bool:
    return path.startswith("spec.")
