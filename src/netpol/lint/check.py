"""Takes paths of policies and perhaps of a cluster, gives every error and warning about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from netpol.errors import InputError, Location, ManifestError, SnapshotError, ValidationError
from netpol.kube.findings import Finding, in_order
from netpol.kube.inputs import Paths
from netpol.kube.manifests import read_documents
from netpol.kube.policies import PolicySet, load_policies, no_policies_message
from netpol.kube.snapshot import Snapshot, read_snapshot
from netpol.lint.catalogue import RULES
from netpol.lint.comments import Comment, comments_in
from netpol.lint.lint import lint
from netpol.lint.silence import Choice, silence
from netpol.switches import Switches

__all__ = ["CheckResult", "check_policies", "error_code"]


class CheckResult(NamedTuple):
    """What was found, and what was read. ``policies`` counts those without errors.

    Findings of severity ``error`` are errors too: what an API server takes but cannot work.
    ``silenced`` counts findings that comments and annotations of the manifests leave out.
    """

    policies: int
    errors: list[InputError]
    findings: list[Finding]
    read: PolicySet
    snapshot: Snapshot | None
    silenced: int = 0

    @property
    def error_count(self) -> int:
        """How many errors there are of both kinds."""
        return len(self.errors) + sum(each.severity == "error" for each in self.findings)


def check_policies(
    paths: Paths,
    cluster: Paths = (),
    *,
    switches: Switches | None = None,
    namespace: str = "default",
    choice: Choice | None = None,
    compiled: Callable[[PolicySet, Snapshot], list[Finding]] | None = None,
) -> CheckResult:
    """Check policies as the API server would, and look for what they may not mean.

    Parameters
    ----------
    paths
        Manifests holding policies; as for ``read_policies``.
    cluster
        Manifests of the cluster, if policies shall be looked at beside its pods and services.
    switches
        As for ``read_policies`` and ``lint``.
    namespace
        Given to policies that name none.
    choice
        The codes that are wanted; all if None.
    compiled
        Looks at policies without errors as compiled for the cluster, as ``netpol.overlap`` does.

    Returns
    -------
    CheckResult
        Errors do not stop the check: one is given for each mistake, ordered by file and line.
    """
    errors: list[InputError] = []
    comments: list[Comment] = []
    policies = load_policies(
        read_documents(
            paths, errors.append, seen=lambda file, data: comments.extend(comments_in(file, data))
        ),
        switches=switches,
        namespace=namespace,
        report=errors.append,
    )
    if not len(policies) and not errors:
        errors.append(ManifestError(no_policies_message(policies)))
    snapshot: Snapshot | None = None
    findings: list[Finding] = []
    if cluster:
        try:
            snapshot = read_snapshot(cluster, switches=switches)
        except InputError as error:
            errors.append(error)
        else:
            findings += [
                Finding("warning", "snapshot", message, Location()) for message in snapshot.warnings
            ]
    findings += lint(policies, snapshot, switches=switches)
    errors.sort(key=lambda error: (error.location.file or "", error.location.line or 0))
    sought = {code for code, rule in RULES.items() if rule.needs != "compiled"}
    if snapshot is None:
        sought -= {code for code, rule in RULES.items() if rule.needs == "cluster"}
    elif compiled is not None and not errors and all(f.severity != "error" for f in findings):
        findings += compiled(policies, snapshot)
        sought = {*RULES}
    left = silence(findings, policies, comments, choice or Choice(), frozenset(sought))
    wrong = {finding.policy for finding in left.findings if finding.severity == "error"}
    labels = [each.label for each in policies.policies]
    labels += [each.label for each in policies.cluster_policies]
    valid = sum(label not in wrong for label in labels)
    return CheckResult(valid, errors, in_order(left.findings), policies, snapshot, left.hidden)


def error_code(error: InputError) -> str:
    """Give the stable one-word code of an error's class."""
    codes = {ValidationError: "invalid", ManifestError: "manifest", SnapshotError: "snapshot"}
    return codes.get(type(error), "error")
