"""``netpol check``: errors and warnings about policies, with file and line."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

import netpol
from netpol.cli.codes import CodeWords
from netpol.cli.flow_options import EXCLUDE, MAX_MANIFEST
from netpol.cli.ignore_kinds import ignore_kinds_option
from netpol.cli.names import Namespace, require_known
from netpol.cli.options import CONTEXT, NetpolCommand
from netpol.cli.steps import print_text
from netpol.model.switches import Switches
from netpol.report.words.formats import CI_FORMATS
from netpol.report.words.safe import escape_controls

if TYPE_CHECKING:
    from netpol.kube.policies import PolicySet
    from netpol.kube.read.findings import Finding
    from netpol.kube.snapshot import Snapshot
    from netpol.lint.check import CheckResult
    from netpol.model.errors import InputError, Location

__all__ = ["check"]

#: Raised when a field changes its meaning or goes; new fields do not raise it.
SCHEMA_VERSION = 1
#: Notes of one code that a person is shown; a cluster may have a thousand.
_MOST_NOTES = 10

# Options that other commands have with other values get variables of their own, NETPOL_CHECK_...
_PATH = click.Path(allow_dash=True)
_EXAMPLES = """\b
Examples:
  netpol check policies/
  netpol check policies/ --cluster cluster.json --strict
  helm template chart/ | netpol check - -o json
  netpol check policies/ -o sarif > netpol.sarif

Exit code: 0 no errors, 1 warnings under --strict, 2 errors."""


@click.command(cls=NetpolCommand, context_settings=CONTEXT, epilog=_EXAMPLES, no_args_is_help=True)
@click.argument("policies", nargs=-1, required=True, type=_PATH)
@click.option(
    "--cluster",
    "-c",
    multiple=True,
    type=_PATH,
    envvar="NETPOL_CLUSTER",
    help="Manifests of the cluster, to find policies that select nothing, rules that never decide, "
    "priorities that tie and the like: files, directories, - for stdin.  [repeatable]",
)
@click.option(
    "--namespace",
    "-n",
    default="default",
    show_default=True,
    envvar="NETPOL_NAMESPACE",
    metavar="NAME",
    type=Namespace(),
    help="Namespace of NetworkPolicies and of objects of the cluster that name none.",
)
@EXCLUDE
@MAX_MANIFEST
@click.option(
    "--skip-others",
    is_flag=True,
    envvar="NETPOL_CHECK_SKIP_OTHERS",
    help="Pass over templates and files that hold no Kubernetes object, with a note, also where "
    "they are named, and let there be no policy: for hooks, which name whatever was changed.",
)
@ignore_kinds_option
@click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json", *CI_FORMATS]),
    metavar="FORMAT",
    default="table",
    show_default=True,
    envvar="NETPOL_CHECK_OUTPUT",
    help="Lines for a person (table), one JSON document (json), or what CI reads: github "
    "(annotations), sarif, junit, markdown.",
)
@click.option(
    "--strict", is_flag=True, envvar="NETPOL_CHECK_STRICT", help="Same as --fail-on warning."
)
@click.option(
    "--fail-on",
    type=click.Choice(["warning"]),
    envvar="NETPOL_CHECK_FAIL_ON",
    help="Exit 1 if there is a warning.",
)
@click.option(
    "--select",
    multiple=True,
    type=CodeWords(),
    metavar="CODE",
    envvar="NETPOL_CHECK_SELECT",
    help="Look for these codes alone, commas between them: a code, its first words (dns for "
    "dns-node-local and its like), or all. What is refused is always told.  [repeatable]",
)
@click.option(
    "--ignore",
    multiple=True,
    type=CodeWords(ignored=True),
    metavar="CODE",
    envvar="NETPOL_CHECK_IGNORE",
    help="Do not look for these codes; wins over --select. In a manifest, a comment (netpol: "
    "ignore CODE) or an annotation (netpol/ignore: CODE) does it for one line or object. netpol "
    "rule CODE explains one.  [repeatable]",
)
@click.option(
    "--strict-cidr",
    type=click.Choice(["warn", "reject"]),
    default="warn",
    show_default=True,
    envvar="NETPOL_STRICT_CIDR",
    help="Treat CIDRs with leading zeros, host bits or IPv4-mapped addresses as Kubernetes "
    "before (warn) or after 1.36 (reject).",
)
@click.option(
    "--unknown-fields",
    type=click.Choice(["error", "warn"]),
    default="error",
    show_default=True,
    envvar="NETPOL_UNKNOWN_FIELDS",
    help="Refuse fields the API does not have, or leave them out as an old server does, save "
    "where a cluster-scoped policy would select more.",
)
@click.pass_context
def check(
    ctx: click.Context,
    policies: tuple[str, ...],
    cluster: tuple[str, ...],
    namespace: str,
    exclude: tuple[str, ...],
    skip_others: bool,
    ignore_kinds: str,
    output: str,
    strict: bool,
    fail_on: str | None,
    select: tuple[frozenset[str], ...],
    ignore: tuple[frozenset[str], ...],
    strict_cidr: Any,
    unknown_fields: Any,
) -> None:
    """Check policies as the API server would, and warn of what they may not mean.

    NetworkPolicies, ClusterNetworkPolicies, AdminNetworkPolicies and BaselineAdminNetworkPolicies
    are checked.

    POLICIES are files, directories (searched for *.yaml, *.yml, *.json, also .gz and .zst) or -
    for stdin. In directories, what is hidden is left out, and what holds no Kubernetes object, or
    is broken and names no kind of policy, is counted in one note. Errors do not stop the check:
    each is given with its file and line, but of a file, what comes after text that is no YAML is
    not read.
    """
    from netpol.lint.check import check_policies
    from netpol.lint.silence import Choice

    result = check_policies(
        policies,
        cluster,
        switches=Switches(strict_cidr=strict_cidr, unknown_fields=unknown_fields),
        namespace=namespace,
        exclude=exclude,
        skip_others=skip_others,
        ignore_kinds=ignore_kinds,
        choice=Choice(frozenset().union(*select), frozenset().union(*ignore)),
        compiled=_overlaps,
    )
    if result.snapshot is not None:
        require_known([result.snapshot], namespace)
    strict = strict or fail_on == "warning"
    print_text(_written(result, output, strict))
    if result.error_count:
        ctx.exit(2)
    warned = any(finding.severity == "warning" for finding in result.findings)
    if warned and strict:
        ctx.exit(1)


def _written(result: CheckResult, output: str, strict: bool) -> str | bytes:
    if output == "json":
        return _json(result)
    if output == "table":
        return _lines(result) + "\n"
    from netpol.report.ci.check import annotations_of, heading_of
    from netpol.report.ci.formats import render

    counts, version = _counts(result), netpol.__version__
    heading = heading_of(result, strict=strict, counts=counts, version=version)
    return render(output, annotations_of(result), heading).encode()  # CI reads UTF-8


def _overlaps(policies: PolicySet, snapshot: Snapshot) -> list[Finding]:
    """Return what only shows in the policies as compiled for the cluster."""
    from netpol.kube.read.findings import Finding
    from netpol.lint.compiled import overlaps
    from netpol.model.errors import CapacityError, Location

    try:
        return overlaps(policies, snapshot)
    except CapacityError as error:
        message = f"overlaps and ties of policies were not looked for: {error}"
        return [Finding("warning", "capacity", message, Location())]


def _lines(result: CheckResult) -> str:
    """Return ``file:line: severity: message [code]`` lines and a total; of notes only a few."""
    lines = [_line("error", error.location, error.message) for error in result.errors]
    notes: Counter[str] = Counter()
    for finding in result.findings:
        if finding.severity == "info":
            notes[finding.code] += 1
            if notes[finding.code] > _MOST_NOTES:
                continue
        lines.append(_line(finding.severity, finding.location, finding.text, finding.code))
    lines += [
        f"info: {count - _MOST_NOTES} more, which -o json lists [{code}]"
        for code, count in notes.items()
        if count > _MOST_NOTES
    ]
    if lines:
        lines.append("")
    lines.append(", ".join(_counts(result)))
    return "\n".join(lines)


def _counts(result: CheckResult) -> tuple[str, ...]:
    severities = Counter(finding.severity for finding in result.findings)
    counts: tuple[str, ...] = (
        _plural(result.policies, "valid policy", "valid policies"),
        _plural(result.error_count, "error", "errors"),
        _plural(severities["warning"], "warning", "warnings"),
    )
    notes = severities["info"]
    if notes:
        counts = (*counts, _plural(notes, "note", "notes"))
    return (*counts, f"{result.silenced} silenced") if result.silenced else counts


def _line(severity: str, location: Location, message: str, code: str | None = None) -> str:
    place = str(location._replace(field=None))
    parts = [place, severity, location.field, message]
    suffix = f" [{code}]" if code else ""
    return escape_controls(": ".join(part for part in parts if part) + suffix)


def _plural(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _json(result: CheckResult) -> bytes:
    """Return the result as one document."""
    from netpol.report.json.document import written
    from netpol.report.words.unjudged import unjudged_document

    document = {
        "schema_version": SCHEMA_VERSION,
        "policies": result.policies,
        "errors": [
            *(_json_error(error) for error in result.errors),
            *(_json_finding(each) for each in result.findings if each.severity == "error"),
        ],
        "warnings": [_json_finding(each) for each in result.findings if each.severity != "error"],
        "passed_over": [
            {**each.place._asdict(), "reason": each.why, "message": each.message}
            for each in result.passed
        ],
        "unjudged": unjudged_document(result.unjudged),
        "silenced": result.silenced,
    }
    return written(document)


def _json_error(error: InputError) -> dict[str, Any]:
    from netpol.lint.check import error_code

    return {
        "code": error_code(error),
        "severity": "error",
        **error.location._asdict(),
        "policy": None,
        "message": error.message,
    }


def _json_finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        **finding.location._asdict(),
        "policy": finding.policy,
        "message": finding.message,
    }
