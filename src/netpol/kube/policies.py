"""Takes typed policies, gives a ``PolicySet``: validated, defaulted, each with its source."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from netpol.errors import InputError, Location, ManifestError, ValidationError
from netpol.kube.cluster_objects import ClusterPolicy
from netpol.kube.defaults import apply_defaults
from netpol.kube.documents import Document
from netpol.kube.findings import Finding, policy_label
from netpol.kube.gcpause import gc_paused
from netpol.kube.inputs import Paths, named
from netpol.kube.kinds import is_network_policy, refuse_policy
from netpol.kube.manifests import documents_from_objects, raise_error, read_documents
from netpol.kube.objects import NetworkPolicy, Source
from netpol.kube.typed import Problem, decode_value
from netpol.kube.validate import validate_policy
from netpol.kube.written import findings_as_written
from netpol.switches import Switches

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


class LoadedClusterPolicy(NamedTuple):
    """A cluster-scoped policy, valid, and where it was read."""

    policy: ClusterPolicy
    source: Source


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Policies in the order read, and warnings for the reader.

    ``policies`` are the NetworkPolicies, ``cluster_policies`` those of the admin and baseline
    tiers (B1, B2). ``warnings`` are the ``findings`` as text, each with its place; ``ignored``
    counts objects of other kinds that were met.
    """

    policies: tuple[LoadedPolicy, ...] = ()
    warnings: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)
    cluster_policies: tuple[LoadedClusterPolicy, ...] = ()

    def __len__(self) -> int:
        return len(self.policies) + len(self.cluster_policies)


def read_policies(
    paths: Paths, *, switches: Switches | None = None, namespace: str = "default"
) -> PolicySet:
    """Read every NetworkPolicy of some manifests.

    Parameters
    ----------
    paths
        Files, directories (searched recursively for YAML and JSON, also ``.gz`` and ``.zst``),
        or ``-`` for standard input; one or several.
    switches
        ``unknown_fields`` and ``strict_cidr`` matter here.
    namespace
        Given to policies that name none, as ``kubectl -n`` does.

    Returns
    -------
    PolicySet
        Defaulted policies in the order read. Pods and other kinds are passed over and counted.

    Raises
    ------
    ManifestError
        Something cannot be read or is no NetworkPolicy as it stands: broken text, an unknown
        field, a duplicate key or object, a dialect not supported, or no policy at all.
    ValidationError
        A policy the API server would refuse.
    """
    paths = paths if isinstance(paths, str | os.PathLike) else list(paths)
    errors: list[InputError] = []
    result = load_policies(
        read_documents(paths, errors.append),
        switches=switches,
        namespace=namespace,
        report=errors.append,
    )
    if errors:
        raise _first_of(errors)
    if not result.policies:
        raise ManifestError(no_policies_message(result), named(paths))
    return result


def policies_from_objects(
    objects: Sequence[dict[str, Any]],
    *,
    switches: Switches | None = None,
    namespace: str = "default",
) -> PolicySet:
    """Give the NetworkPolicies among plain dictionaries, as ``read_policies`` does for files."""
    return load_policies(documents_from_objects(objects), switches=switches, namespace=namespace)


def load_policies(
    documents: Iterable[Document],
    *,
    switches: Switches | None = None,
    namespace: str = "default",
    report: Report = raise_error,
) -> PolicySet:
    """Type, default and check the NetworkPolicies among ``documents``.

    ``report`` is called with every error; policies with errors are left out.
    """
    loader = _Loader(switches or Switches(), namespace, report)
    with gc_paused():
        for document in documents:
            loader.add(document)
    return loader.finish()


def no_policies_message(result: PolicySet) -> str:
    """Say that nothing was found, and what was found instead."""
    others = ", ".join(f"{count} {kind}" for kind, count in sorted(result.ignored.items()))
    return "no NetworkPolicy found" + (f", only {others}" if others else "")


class _Loader:
    """Collects policies and findings, reporting every error."""

    def __init__(self, switches: Switches, namespace: str, report: Report) -> None:
        self._switches = switches
        self._namespace = namespace
        self._report = report
        self._loaded: dict[str, LoadedPolicy] = {}
        self._findings: list[Finding] = []
        self._ignored: Counter[str] = Counter()

    def add(self, document: Document) -> None:
        """Take a policy, refuse another dialect's, count anything else."""
        if is_network_policy(document.api_version, document.kind):
            loaded = self._load(document)
            if loaded is not None:
                self._add_new(loaded)
            return
        location = Location(document.file, document.line)
        refusal = refuse_policy(document.api_version, document.kind, location)
        if refusal is not None:
            self._report(refusal)
        else:
            self._ignored[document.kind] += 1

    def finish(self) -> PolicySet:
        """Give what was collected."""
        return PolicySet(
            tuple(self._loaded.values()),
            tuple(str(finding) for finding in self._findings),
            tuple(self._findings),
            dict(self._ignored),
        )

    def _load(self, document: Document) -> LoadedPolicy | None:
        """Give one policy, or None after reporting what is wrong with it."""
        try:
            value = document.value()
        except ManifestError as error:
            self._report(error)
            return None
        source = document.field_source()
        label = _label(value, self._namespace)
        written = self._typed(value, source, label)
        if written is None:
            return None
        policy = apply_defaults(written, self._namespace)
        errors, legacy = validate_policy(policy, self._switches.strict_cidr)
        for problem in errors:
            self._report(_error(ValidationError, problem, source, label))
        self._findings += findings_as_written(written, self._namespace, source)
        self._findings += [_finding("legacy-cidr", each, source, label) for each in legacy]
        return None if errors else LoadedPolicy(policy, source)

    def _typed(self, value: object, source: Source, label: str) -> NetworkPolicy | None:
        """Give the policy as written, or None after reporting its mistakes."""
        result = decode_value(value, NetworkPolicy)
        problems = [*result.errors]
        if self._switches.unknown_fields == "error":
            problems += result.unknown
        else:
            self._findings += [
                _finding("unknown-field", Problem(path, f"{message}, left out"), source, label)
                for path, message in result.unknown
            ]
        for problem in problems:
            self._report(_error(ManifestError, problem, source, label))
        if problems:
            return None
        self._findings += [
            _finding("null-element", Problem(path, _NULL_ELEMENT), source, label)
            for path in result.nulls
        ]
        typed: NetworkPolicy = result.value
        return typed

    def _add_new(self, loaded: LoadedPolicy) -> None:
        """Check A0.6: one namespace cannot hold two policies of one name."""
        metadata, source = loaded.policy.metadata, loaded.source
        label = policy_label(metadata.namespace, metadata.name)
        first = self._loaded.setdefault(label, loaded)
        if first is not loaded:
            self._report(
                ManifestError(
                    f"duplicate NetworkPolicy {label}, "
                    f"first at {first.source.file}:{first.source.line}",
                    Location(source.file, source.line),
                )
            )


_NULL_ELEMENT = "a null list element is read as the zero value"


def _label(value: Any, namespace: str) -> str:
    """Name a policy that may not be well-formed."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(metadata, dict):
        metadata = {}
    return policy_label(
        str(metadata.get("namespace") or namespace), str(metadata.get("name") or "(no name)")
    )


def _location(problem: Problem, source: Source) -> Location:
    return Location(source.file, source.line_of(problem.field), problem.field or None)


def _error(kind: type[InputError], problem: Problem, source: Source, label: str) -> InputError:
    return kind(f"NetworkPolicy {label}: {problem.message}", _location(problem, source))


def _finding(code: str, problem: Problem, source: Source, label: str) -> Finding:
    return Finding("warning", code, problem.message, _location(problem, source), label)


def _first_of(errors: list[InputError]) -> InputError:
    """Give the first error, saying how many more there are."""
    first = errors[0]
    if len(errors) == 1:
        return first
    more = f" (and {len(errors) - 1} more: `netpol check` lists them)"
    return type(first)(first.message + more, first.location)
