"""Takes what ``netpol check`` found, gives it as annotations."""

from __future__ import annotations

import re

from netpol.kube.read.findings import Finding, policy_title
from netpol.lint.check import CheckResult, error_code
from netpol.model.errors import InputError
from netpol.report.ci.heading import Heading
from netpol.report.words.annotations import Annotation, Level
from netpol.report.words.codes import CHECK_CODES, CHECK_PAGES

__all__ = ["annotations_of", "heading_of"]

_LEVELS: dict[str, Level] = {"error": "error", "warning": "warning", "info": "note"}


def annotations_of(result: CheckResult) -> list[Annotation]:
    """Return one annotation for each error and finding, errors first."""
    errors = [_error(error) for error in result.errors]
    return errors + [_finding(finding) for finding in result.findings]


def heading_of(
    result: CheckResult, *, strict: bool, counts: tuple[str, ...], version: str = ""
) -> Heading:
    """Return the heading; ``strict`` says that warnings fail the command, too."""
    found = {finding.policy for finding in result.findings}
    labels = [each.label for each in result.read.policies]
    labels += [each.label for each in result.read.cluster_policies]
    return Heading(
        "check",
        counts,
        CHECK_CODES,
        tuple(policy_title(label) for label in labels if label not in found),
        frozenset({"error", "warning"} if strict else {"error"}),
        version,
        CHECK_PAGES,
    )


def _error(error: InputError) -> Annotation:
    place, code = error.location, error_code(error)
    subject = re.sub(r"\d+", "", error.message.partition(": ")[0])  # a line must not count
    return Annotation(
        "error",
        code,
        _title(code),
        _with_field(place.field, error.message),
        place.file,
        place.line,
        (subject, place.field or ""),
    )


def _finding(finding: Finding) -> Annotation:
    place = finding.location
    return Annotation(
        _LEVELS[finding.severity],
        finding.code,
        _title(finding.code),
        _with_field(place.field, finding.text),
        place.file,
        place.line,
        (finding.policy or re.sub(r"\d+", "", finding.message), place.field or ""),
    )


def _title(code: str) -> str:
    return _TITLES.get(code, code.replace("-", " "))


_TITLES = {
    "manifest": "not readable as a Kubernetes object",
    "invalid": "refused by the API server",
    "snapshot": "the cluster as read",
    "fail-closed": "a rule that cannot be used",
}


def _with_field(field: str | None, message: str) -> str:
    return f"{field}: {message}" if field else message
