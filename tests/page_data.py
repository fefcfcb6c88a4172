"""The pages of what each command with ``--report`` may have found, as long and hostile as asked."""

from __future__ import annotations

from collections.abc import Callable

from fuzz.found import (
    NameOf,
    compared,
    covered,
    differing,
    exposed,
    reachable,
    repeated,
    replayed,
    spread,
)
from html_support import WHEN
from netpol.model.verdict import Verdict
from netpol.questions.diff.groups import Kind
from netpol.report.html import compare, coverage, diff, matrix, replay
from netpol.report.html.page import Page, render
from netpol.report.html.provenance import InputDigest, Provenance, provenance
from netpol.report.html.sections import Section

__all__ = ["COMMANDS", "many_names", "page_of"]

_NAMES = [
    f"namespace-{n % 90:02}/deployment/a-workload-with-a-long-name-{n:03}" for n in range(6300)
]


def many_names(number: int) -> str:
    """Give one of 6,300 long names in 90 namespaces."""
    return _NAMES[number % 6300]


def page_of(command: str, name_of: NameOf, rows: int) -> bytes:
    """Give the page of a command that found so many rows of everything."""
    name = name_of(0)
    made = Provenance(
        f"netpol {command} {name}", (f"NETPOL_CLUSTER={name}",), (f"cluster = {name}",),
        (InputDigest("flows", name, 7, "0" * 64, name), InputDigest("dns", "-", None, None)),
        name, WHEN,
    )  # fmt: skip
    sections = (*COMMANDS[command](name_of, rows), provenance(made, {name: name}))
    return render(Page(name, name, sections, name, WHEN))


_VERDICTS = [verdict.label for verdict in Verdict]


def _replay(name_of: NameOf, rows: int) -> tuple[Section, ...]:
    return replay.sections(replayed(name_of, rows), spread(name_of, rows, _VERDICTS))


def _compare(name_of: NameOf, rows: int) -> tuple[Section, ...]:
    return compare.sections(compared(name_of, rows))


def _diff(name_of: NameOf, rows: int) -> tuple[Section, ...]:
    kinds = [str(kind) for kind in Kind]
    return diff.sections(differing(name_of, rows), spread(name_of, rows, kinds))


def _coverage(name_of: NameOf, rows: int) -> tuple[Section, ...]:
    return coverage.sections(covered(name_of, rows), spread(name_of, rows, _VERDICTS))


def _matrix(name_of: NameOf, rows: int) -> tuple[Section, ...]:
    strangers = repeated(exposed(name_of, rows), rows)
    return matrix.sections(reachable(name_of, rows), strangers)  # type: ignore[arg-type]


#: What makes the sections of each command's page.
COMMANDS: dict[str, Callable[[NameOf, int], tuple[Section, ...]]] = {
    "replay": _replay,
    "replay --compare-profiles": _compare,
    "diff": _diff,
    "coverage": _coverage,
    "matrix": _matrix,
}
