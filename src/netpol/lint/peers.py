"""Takes a selector of a peer that matches no pod of the cluster, says why it does not."""

from __future__ import annotations

from collections.abc import Iterator

from netpol.kube.api.objects import LabelSelector
from netpol.kube.read.findings import Remark
from netpol.kube.snapshot import NAME_LABEL
from netpol.lint.selection import PodGroup, Selection, pods_in_words, readable, some

__all__ = ["no_match", "unmatched_in_namespace", "unmatched_pods"]


def unmatched_in_namespace(
    selection: Selection, path: str, namespace: str, pods: LabelSelector | None
) -> Iterator[Remark]:
    """Find a podSelector that selects no pod of its policy's namespace (A5.2)."""
    if selection.in_namespace(namespace, pods):
        return
    hosts = selection.hosts_in(namespace, pods)
    if hosts:
        yield _host_network(path, hosts)
        return
    where = _namespaces(selection.in_namespaces(None, pods))
    if where:
        yield Remark(
            "peer-in-other-namespace",
            path,
            f"matches no pod of namespace {namespace}; pods with these labels stand in namespace "
            f"{some(where)}. Without a namespaceSelector beside it, in the same list element, a "
            "podSelector is about the policy's own namespace alone",
        )
        return
    hosts = selection.hosts_in_namespaces(None, pods)
    if hosts:
        yield _host_network(path, hosts)
    else:
        yield no_match(path, "pod", f"namespace {namespace}")


def unmatched_pods(
    selection: Selection,
    path: str,
    namespaces: tuple[str, LabelSelector] | None,
    pods: LabelSelector | None,
) -> Iterator[Remark]:
    """Find a peer that selects no pod of the cluster; the namespaces' selector has its path.

    Selectors that cannot be read are reported elsewhere.
    """
    selector = namespaces[1] if namespaces is not None else None
    if not readable(selector, pods) or selection.in_namespaces(selector, pods):
        return
    hosts = selection.hosts_in_namespaces(selector, pods)
    if hosts:
        yield _host_network(path, hosts)
    elif namespaces is not None and not selection.any_namespace(namespaces[1]):
        yield _no_namespace(selection, *namespaces)
    else:
        where = _namespaces(selection.in_namespaces(None, pods)) if namespaces and pods else []
        hint = f"; pods with these labels stand in namespace {some(where)}" if where else ""
        yield no_match(path, "pod", hint=hint)


def no_match(path: str, what: str, where: str = "the cluster", hint: str = "") -> Remark:
    """Return the remark on a peer whose selector nothing in the snapshot matches."""
    return Remark("peer-matches-nothing", path, f"matches no {what} of {where}{hint}")


def _host_network(path: str, hosts: list[PodGroup]) -> Remark:
    return Remark(
        "peer-is-host-network",
        path,
        f"matches only hostNetwork pods ({pods_in_words(hosts)}), which have their node's address "
        "and which no selector selects: allow the addresses of their nodes by an ipBlock",
    )


def _no_namespace(selection: Selection, path: str, selector: LabelSelector) -> Remark:
    """Tell a name of a namespace in a label that nobody set from anything else."""
    known = selection.namespaces
    for key, values in _wanted(selector):
        named = [value for value in values if value in known]
        if key != NAME_LABEL and named:
            return Remark(
                "namespace-name-label",
                path,
                f"matches no namespace: there is a namespace {named[0]}, but it has no label "
                f"{key}={named[0]}. Every namespace has its name as label {NAME_LABEL}",
            )
    missing = [value for key, values in _wanted(selector) if key == NAME_LABEL for value in values]
    if not missing or _demands_more(selector):
        return no_match(path, "namespace")
    return no_match(path, "namespace", hint=f": there is no namespace {some(missing)}")


def _demands_more(selector: LabelSelector) -> bool:
    """Return whether a selector demands anything beside the name of a namespace."""
    keys = [*(selector.match_labels or {})]
    keys += [each.key for each in selector.match_expressions or ()]
    return any(key != NAME_LABEL for key in keys)


def _wanted(selector: LabelSelector) -> Iterator[tuple[str, list[str]]]:
    """Yield each label that must have one of some values."""
    for key, value in (selector.match_labels or {}).items():
        yield key, [value]
    for each in selector.match_expressions or ():
        if each.operator == "In":
            yield each.key, list(each.values or ())


def _namespaces(groups: list[PodGroup]) -> list[str]:
    return sorted({group.namespace for group in groups})
