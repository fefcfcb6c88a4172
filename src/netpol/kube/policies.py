"""Takes typed policies, gives a ``PolicySet``: validated, defaulted, each with its source."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from msgspec.structs import replace

from netpol.io.gcpause import gc_paused
from netpol.kube.api.cluster_objects import ClusterNetworkPolicy, ClusterPolicy
from netpol.kube.api.ignored_kinds import IgnoredKinds, ignored_kinds
from netpol.kube.api.kinds import POLICY_KINDS, refuse_policy
from netpol.kube.api.objects import NetworkPolicy, Source
from netpol.kube.api.times import bad_times
from netpol.kube.read.documents import Document
from netpol.kube.read.findings import (
    Finding,
    Remark,
    cluster_policy_label,
    placed,
    policy_label,
    policy_title,
)
from netpol.kube.read.inputs import Paths, named
from netpol.kube.read.manifests import documents_from_objects, raise_error, read_documents
from netpol.kube.read.reading import Again, Reading, again_notes, first_of
from netpol.kube.read.templates import in_policy
from netpol.kube.read.typed import Problem, decode_value
from netpol.kube.unjudged import (
    NOTHING_UNJUDGED,
    TEMPLATES,
    Met,
    Unjudged,
    UnjudgedTally,
    met_in,
)
from netpol.kube.validation.cluster_policies import validate_cluster_policy
from netpol.kube.validation.defaults import apply_defaults
from netpol.kube.validation.namespaces import (
    Kustomization,
    Unplaced,
    checked_namespace,
    unplaced_finding,
)
from netpol.kube.validation.policies import validate_policy
from netpol.kube.validation.pre_defaulting import remarks_as_written
from netpol.kube.validation.pre_defaulting_cluster import remarks_as_stored
from netpol.kube.validation.strict_cluster import split_nulls, split_unknown
from netpol.model.errors import (
    InputError,
    Location,
    ManifestError,
    NothingThereError,
    ValidationError,
)
from netpol.model.switches import Switches

__all__ = [
    "LoadedClusterPolicy",
    "LoadedPolicy",
    "PolicySet",
    "load_policies",
    "policies_from_objects",
    "read_policies",
]

Report = Callable[[InputError], None]


class LoadedPolicy(NamedTuple):
    """A policy as the API server would store it (defaulted, valid) and where it was read."""

    policy: NetworkPolicy
    source: Source

    @property
    def label(self) -> str:
        """``namespace/name``."""
        return policy_label(self.policy.metadata.namespace, self.policy.metadata.name)


class LoadedClusterPolicy(NamedTuple):
    """A cluster-scoped policy, valid, and where it was read."""

    policy: ClusterPolicy
    source: Source

    @property
    def label(self) -> str:
        """``Kind/name``."""
        return cluster_policy_label(type(self.policy).__name__, self.policy.metadata.name)


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Policies in the order read, and warnings for the reader.

    ``policies`` are the NetworkPolicies, ``cluster_policies`` those of the admin and baseline
    tiers (B1, B2). ``warnings`` are the ``findings`` as text, each with its place; ``ignored``
    counts objects of other kinds that were met, ``unjudged`` are those among them that are
    policies all the same, of dialects that netpol does not judge. ``notes`` say what was passed
    over or met twice, ``unplaced`` which policies name no namespace.
    """

    policies: tuple[LoadedPolicy, ...] = ()
    warnings: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)
    cluster_policies: tuple[LoadedClusterPolicy, ...] = ()
    notes: tuple[Finding, ...] = ()
    unjudged: Unjudged = NOTHING_UNJUDGED
    unplaced: Unplaced = Unplaced("default")  # noqa: RUF009 - a tuple

    def __len__(self) -> int:
        return len(self.policies) + len(self.cluster_policies)


def read_policies(
    paths: Paths,
    *,
    switches: Switches | None = None,
    namespace: str = "default",
    exclude: Sequence[str] = (),
    ignore_kinds: bool | str | Iterable[str] = False,
    allow_empty: bool = False,
) -> PolicySet:
    """Read every policy of some manifests: NetworkPolicies and the cluster-scoped kinds.

    Parameters
    ----------
    paths
        Files, directories (searched recursively for YAML and JSON, also ``.gz`` and ``.zst``),
        or ``-`` for standard input; one or several.
    switches
        ``unknown_fields`` and ``strict_cidr`` matter here.
    namespace
        Given to policies that name none, as ``kubectl -n`` does.
    exclude
        Patterns of files and folders that are left out of directories, as in a ``.gitignore``:
        without a slash a name anywhere, with one a path from the directory or as it is shown in
        messages.
    ignore_kinds
        Policies of which dialects may be among them, although netpol does not judge them:
        ``True`` or ``"all"``, or words such as ``"CiliumNetworkPolicy"``,
        ``"NetworkPolicy.projectcalico.org"``, ``"cilium.io"``. They are counted in ``unjudged``.
    allow_empty
        Give an empty ``PolicySet`` where there is no policy, or no manifest in a directory, as of a
        cluster before its first policy; otherwise that is an error.

    Returns
    -------
    PolicySet
        Defaulted policies in the order read. Pods and other kinds are passed over and counted; so
        is, in directories, what is no object or names no policy (``notes``).

    Raises
    ------
    ManifestError
        Something cannot be read or is no policy as it stands: broken text, an unrendered template,
        an unknown field, a duplicate key, two different policies of one name, a dialect not
        judged, or no policy at all (``allow_empty``). Its message has the errors that followed,
        too.
    ValidationError
        A policy the API server would refuse.
    ConfigError
        ``namespace`` is no name of one, or ``ignore_kinds`` names no kind that is not judged.
    """
    paths = paths if isinstance(paths, str | os.PathLike) else list(paths)
    errors: list[InputError] = []
    reading = Reading(exclude)
    result = load_policies(
        read_documents(paths, errors.append, reading),
        switches=switches,
        namespace=namespace,
        ignore_kinds=ignore_kinds,
        report=errors.append,
        reading=reading,
    )
    if allow_empty:
        errors = [error for error in errors if not isinstance(error, NothingThereError)]
    if errors:
        raise first_of(errors)
    if not len(result) and not allow_empty:
        raise ManifestError(no_policies_message(result), named(paths))
    return result


def policies_from_objects(
    objects: Sequence[dict[str, Any]],
    *,
    switches: Switches | None = None,
    namespace: str = "default",
    ignore_kinds: bool | str | Iterable[str] = False,
) -> PolicySet:
    """Return the policies among plain dictionaries, as ``read_policies`` does for files."""
    return load_policies(
        documents_from_objects(objects),
        switches=switches,
        namespace=namespace,
        ignore_kinds=ignore_kinds,
    )


def load_policies(
    documents: Iterable[Document],
    *,
    switches: Switches | None = None,
    namespace: str = "default",
    ignore_kinds: bool | str | Iterable[str] = False,
    report: Report = raise_error,
    reading: Reading | None = None,
) -> PolicySet:
    """Type, default and check the policies among ``documents``.

    ``report`` is called with every error; policies with errors are left out. ``reading`` is how
    the documents are read.
    """
    ignored = ignored_kinds(ignore_kinds)
    reading = reading or Reading()
    chosen = switches or Switches()
    loader = _Loader(chosen, checked_namespace(namespace), ignored, report, reading)
    with gc_paused():
        for document in documents:
            loader.add(document)
    return loader.finish()


def no_policies_message(result: PolicySet) -> str:
    """Say that nothing was found, and what was found instead."""
    others = ", ".join(f"{count} {kind}" for kind, count in sorted(result.ignored.items()))
    return "no network policy found" + (f", only {others}" if others else "")


class _Checked(NamedTuple):
    """A policy as stored, what the API server refuses about it, and what a person should know."""

    policy: NetworkPolicy | ClusterPolicy
    errors: list[Problem]
    remarks: list[Remark]


class _Typed(NamedTuple):
    """A policy as written as far as it is right, and the fields that are not."""

    policy: NetworkPolicy | ClusterPolicy | None
    wrong: list[str]


class _Loader:
    """Collects policies and findings, reporting every error."""

    def __init__(
        self,
        switches: Switches,
        namespace: str,
        ignore_kinds: IgnoredKinds,
        report: Report,
        reading: Reading,
    ) -> None:
        self._reading = reading
        self._switches = switches
        self._namespace = namespace
        self._ignore_kinds = ignore_kinds
        self._report = report
        self._unjudged = UnjudgedTally()
        self._unplaced: list[Source] = []
        self._kustomizations: list[Kustomization] = []
        self._policies: dict[str, LoadedPolicy] = {}
        self._cluster_policies: dict[str, LoadedClusterPolicy] = {}
        self._findings: list[Finding] = []
        self._ignored: Counter[str] = Counter()
        self._again: list[Again] = []

    def add(self, document: Document) -> None:
        """Take a policy, refuse or count another dialect's, count anything else."""
        kind = POLICY_KINDS.get((document.api_version, document.kind))
        if kind is not None:
            self._load(document, kind)
            return
        location = Location(document.file, document.line)
        refusal = refuse_policy(document.api_version, document.kind, location)
        if refusal is not None:
            self._report(refusal)
            return
        self._ignored[document.kind] += 1
        kustomization = Kustomization.read(document)
        if kustomization is not None:
            self._kustomizations.append(kustomization)
        try:
            for met in met_in(document, POLICY_KINDS):
                self._count_or_refuse(met, document)
        except ManifestError as error:
            self._report(error)

    def _count_or_refuse(self, met: Met, document: Document) -> None:
        """Count a policy that is not judged, unless nobody said that it may be there."""
        if self._ignore_kinds.covers(met.kind, met.group):
            self._unjudged.count(met)
            return
        place = Location(document.file, document.line)
        if met.group == TEMPLATES:
            why = (
                f"{met.kind.title}: policies are not read from a template; render it, "
                f"oc process -f {document.file} -o yaml | netpol ... -p -"
            )
        else:
            why = f"{met.kind.kind} of {met.group}: not judged by netpol"
            if document.kind == "Template":
                why = f"in this template, {why}"
            why += "; leave it out, or have it counted with --ignore-kinds"
        self._report(ManifestError(why, place))

    def finish(self) -> PolicySet:
        """Return what was collected."""
        cluster_policies = tuple(self._cluster_policies.values())
        self._findings += _mixed_apis(cluster_policies)
        self._findings += self._reading.warnings()
        unplaced = Unplaced(self._namespace, tuple(self._unplaced), tuple(self._kustomizations))
        if unplaced.sources:
            self._findings.append(unplaced_finding(unplaced))
        return PolicySet(
            tuple(self._policies.values()),
            tuple(str(finding) for finding in self._findings),
            tuple(self._findings),
            dict(self._ignored),
            cluster_policies,
            (*self._reading.notes(), *again_notes(self._again, "policies", _ONE_OVERLAY)),
            self._unjudged.result(),
            unplaced,
        )

    def _load(self, document: Document, kind: type[NetworkPolicy | ClusterPolicy]) -> None:
        """Keep one policy, or report what is wrong with it."""
        try:
            value = document.value()
        except ManifestError as error:
            self._report(error)
            return
        source = document.field_source()
        template = in_policy(value, source)
        if template is not None:
            self._reading.unrendered(template, self._report)
            return
        label = self._label(value, kind)
        typed = self._typed(value, kind, source, label)
        if typed.policy is None:
            return
        checked = self._checked(typed.policy, document)
        errors = checked.errors
        if typed.wrong or document.broken:
            errors = [e for e in errors if e.field in source.lines and not _follows(e, typed.wrong)]
        for problem in errors:
            self._report(_error(ValidationError, problem, source, label))
        if typed.wrong or document.broken:
            return
        self._findings += [placed(remark, source, label) for remark in checked.remarks]
        if not errors:
            self._keep(checked.policy, source, label)
            if isinstance(typed.policy, NetworkPolicy) and not typed.policy.metadata.namespace:
                self._unplaced.append(source)

    def _label(self, value: Any, kind: type[NetworkPolicy | ClusterPolicy]) -> str:
        """Name a policy that may not be well-formed."""
        metadata = value.get("metadata") if isinstance(value, dict) else None
        if not isinstance(metadata, dict):
            metadata = {}
        name = str(metadata.get("name") or "(no name)")
        if kind is NetworkPolicy:
            return policy_label(str(metadata.get("namespace") or self._namespace), name)
        return cluster_policy_label(kind.__name__, name)

    def _typed(
        self,
        value: object,
        kind: type[NetworkPolicy | ClusterPolicy],
        source: Source,
        label: str,
    ) -> _Typed:
        """Return the policy as written, as far as it is right, after reporting its mistakes."""
        result = decode_value(value, kind)
        unknown, nulls = result.unknown, result.nulls
        problems = [*result.errors, *_bad_times(result.value)]
        refused: list[Problem] = []
        if kind is not NetworkPolicy:
            protected, unknown = split_unknown(unknown)
            refused, nulls = split_nulls(nulls)
            problems += protected
        if self._switches.unknown_fields == "error":
            problems += unknown
            unknown = []
        remarks = [
            *(Remark("unknown-field", path, f"{why}, left out") for path, why in unknown),
            *(Remark("null-element", path, _NULL_ELEMENT) for path in nulls if not problems),
        ]
        self._findings += [placed(remark, source, label) for remark in remarks]
        for problem in problems:
            self._report(_error(ManifestError, problem, source, label))
        for problem in refused:
            self._report(_error(ValidationError, problem, source, label))
        wrong = [problem.field for problem in (*problems, *refused)]
        return _Typed(result.partial if result.errors else result.value, wrong)

    def _checked(self, written: NetworkPolicy | ClusterPolicy, document: Document) -> _Checked:
        if isinstance(written, NetworkPolicy):
            policy = apply_defaults(written, self._namespace)
            errors, legacy = validate_policy(policy, self._switches.strict_cidr)
            remarks = remarks_as_written(written)
            return _Checked(
                policy, errors, remarks + [Remark("legacy-cidr", *cidr) for cidr in legacy]
            )
        remarks = remarks_as_stored(written)
        if written.metadata.namespace:
            remarks.append(Remark("namespace-ignored", "metadata.namespace", _NO_NAMESPACE))
        return _Checked(_stored(written, document), validate_cluster_policy(written), remarks)

    def _keep(self, policy: NetworkPolicy | ClusterPolicy, source: Source, label: str) -> None:
        """Check A0.6: a cluster cannot hold two policies of one kind, namespace and name."""
        first: LoadedPolicy | LoadedClusterPolicy
        loaded: LoadedPolicy | LoadedClusterPolicy
        if isinstance(policy, NetworkPolicy):
            loaded = LoadedPolicy(policy, source)
            first = self._policies.setdefault(label, loaded)
        else:
            loaded = LoadedClusterPolicy(policy, source)
            first = self._cluster_policies.setdefault(label, loaded)
        place = Location(source.file, source.line)
        if first is loaded:
            return
        if first.policy == policy:
            self._again.append(Again(policy_title(label), place, first.source))
        else:
            at = f"{first.source.file}:{first.source.line}"
            message = f"duplicate {policy_title(label)}, which differs from the first at {at}"
            self._report(ManifestError(f"{message}; {_ONE_OVERLAY}", place))


def _stored(policy: ClusterPolicy, document: Document) -> ClusterPolicy:
    """Return a policy as the server stores it: in no namespace, and of a kind even in a list."""
    return replace(
        policy,
        api_version=document.api_version,
        kind=document.kind,
        metadata=replace(policy.metadata, namespace=None),
    )


def _follows(problem: Problem, wrong: Sequence[str]) -> bool:
    """Whether what is refused may only follow from a mistake at, above or below its field."""
    field = problem.field
    return any(
        not path or not field or path == field or _is_above(path, field) or _is_above(field, path)
        for path in wrong
    )


def _is_above(path: str, other: str) -> bool:
    return other.startswith((f"{path}.", f"{path}["))


_ONE_OVERLAY = (
    "a cluster holds one of a name; if these are overlays, render one, as with "
    "`kustomize build DIR | netpol check -`"
)
_NULL_ELEMENT = "null is read as the zero value here"
_NO_NAMESPACE = "policies of this kind stand in no namespace: left out"


def _mixed_apis(loaded: Sequence[LoadedClusterPolicy]) -> list[Finding]:
    """Find both generations of the API in one set, once (B3.5)."""
    firsts: dict[bool, LoadedClusterPolicy] = {}
    for each in loaded:
        firsts.setdefault(isinstance(each.policy, ClusterNetworkPolicy), each)
    if len(firsts) < 2:
        return []
    first, second = firsts.values()
    message = (
        f"{second.policy.kind} beside {first.policy.kind} (the first at {first.source.file}:"
        f"{first.source.line}): nothing defines their order; an AdminNetworkPolicy is read as an "
        "Admin policy of its priority, a BaselineAdminNetworkPolicy as the last Baseline policy"
    )
    return [placed(Remark("mixed-apis", "", message), second.source, second.label)]


def _bad_times(policy: NetworkPolicy | ClusterPolicy | None) -> Iterator[Problem]:
    """Yield the times that the API server cannot decode."""
    if policy is not None:
        metadata = policy.metadata
        written = (
            ("metadata.creationTimestamp", metadata.creation_timestamp),
            ("metadata.deletionTimestamp", metadata.deletion_timestamp),
        )
        yield from (Problem(*found) for found in bad_times(written))


def _error(kind: type[InputError], problem: Problem, source: Source, label: str) -> InputError:
    place = Location(source.file, source.line_of(problem.field), problem.field or None)
    return kind(f"{policy_title(label)}: {problem.message}", place)
