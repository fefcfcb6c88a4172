"""Takes paths of policies and perhaps of a cluster, gives errors and warnings about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from netpol.kube.policies import PolicySet, load_policies, no_policies_message
from netpol.kube.read.findings import Finding, in_order
from netpol.kube.read.inputs import Paths
from netpol.kube.read.manifests import read_documents
from netpol.kube.read.reading import PassedOver, Reading
from netpol.kube.snapshot import Snapshot, load_snapshot
from netpol.kube.unjudged import Unjudged
from netpol.lint.catalogue import RULES
from netpol.lint.comments import Comment, comments_in
from netpol.lint.lint import lint
from netpol.lint.silence import Choice, silence
from netpol.model.errors import InputError, Location, ManifestError, SnapshotError, ValidationError
from netpol.model.switches import Switches

__all__ = ["CheckResult", "check_policies", "error_code"]


class CheckResult(NamedTuple):
    """What was found, and what was read. ``policies`` counts those without errors.

    ``passed`` is all that was passed over where directories were searched.
    Findings of severity ``error`` are errors too: what an API server takes but cannot work.
    ``silenced`` counts findings that comments and annotations of the manifests leave out.
    """

    policies: int
    errors: list[InputError]
    findings: list[Finding]
    read: PolicySet
    snapshot: Snapshot | None
    passed: tuple[PassedOver, ...] = ()
    silenced: int = 0

    @property
    def unjudged(self) -> Unjudged:
        """The policies of other dialects among everything that was read."""
        found = self.read.unjudged
        return found if self.snapshot is None else found | self.snapshot.unjudged

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
    exclude: Sequence[str] = (),
    skip_others: bool = False,
    ignore_kinds: bool | str | Iterable[str] = False,
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
        Given to policies, and to objects of the cluster, that name none.
    exclude, ignore_kinds
        As for ``read_policies``.
    skip_others
        Pass over templates, and files that hold no object or policy, also where they are named;
        then it is no error that there is no policy at all.
    choice
        The codes that are wanted; all if None.
    compiled
        Looks at policies without errors as compiled for the cluster (``netpol.lint.compiled``).

    Returns
    -------
    CheckResult
        Errors do not stop the check: one is given for each mistake, ordered by file and line.
    """
    errors: list[InputError] = []
    reading = Reading(exclude, skip_others=skip_others)
    comments: list[Comment] = []
    documents = read_documents(
        paths,
        errors.append,
        reading,
        seen=lambda file, data: comments.extend(comments_in(file, data)),
    )
    policies = load_policies(
        documents,
        switches=switches,
        namespace=namespace,
        ignore_kinds=ignore_kinds,
        report=errors.append,
        reading=reading,
    )
    if not len(policies) and not errors and not skip_others:
        errors.append(ManifestError(no_policies_message(policies)))
    snapshot: Snapshot | None = None
    findings = [*policies.notes]
    passed = reading.passed
    if cluster:
        reading = Reading(exclude, cluster=True)
        snapshot, more = load_snapshot(cluster, reading, switches=switches, namespace=namespace)
        errors += more
        passed = [*passed, *reading.passed]
        if snapshot is not None:
            findings += snapshot.notes
            findings += [
                Finding("warning", "snapshot", message, Location()) for message in snapshot.warnings
            ]
    findings += lint(policies, snapshot, switches=switches)
    findings += unjudged_findings(policies.unjudged | (snapshot or policies).unjudged)
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
    found = in_order(left.findings)
    return CheckResult(valid, errors, found, policies, snapshot, tuple(passed), left.hidden)


def unjudged_findings(unjudged: Unjudged) -> Iterator[Finding]:
    """Yield a note for each kind of policy that is not judged, at the first of its policies."""
    for each in unjudged.counts:
        verb, they = ("is", "it denies") if each.count == 1 else ("are", "they deny")
        message = f"{each.text} {verb} not judged: what {they} is not known here"
        yield Finding("info", "not-judged", message, Location(each.file, each.line))


def error_code(error: InputError) -> str:
    """Return the stable one-word code of an error's class."""
    codes = {ValidationError: "invalid", ManifestError: "manifest", SnapshotError: "snapshot"}
    return codes.get(type(error), "error")
