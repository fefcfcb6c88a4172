"""Takes options that name something of the cluster, gives an error if the cluster has no such."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from netpol.model.errors import ConfigError

if TYPE_CHECKING:
    from netpol.cli.options import ChosenSwitches
    from netpol.kube.snapshot import Snapshot

__all__ = ["Namespace", "require_known"]


class Namespace(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.3
    """A name that an API server takes for a namespace (RFC 1123 label)."""

    name = "namespace"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        from netpol.kube.validation.namespaces import NAMESPACE_RULE, is_namespace

        if not isinstance(value, str) or not is_namespace(value):
            self.fail(f"{value!r} is no namespace: {NAMESPACE_RULE}", param, ctx)
        return value


def require_known(
    snapshots: Sequence[Snapshot], namespace: str, chosen: ChosenSwitches | None = None
) -> None:
    """Refuse a namespace or a node that none of some snapshots has.

    The namespace is looked for only if the running command was given one: its default need not be
    there.

    Raises
    ------
    ConfigError
        Nothing is called so; the message says what is.
    """
    from netpol.kube.namespace_findings import known_namespaces, known_nodes
    from netpol.model.likeness import suggestion

    source = click.get_current_context().get_parameter_source("namespace")
    if source is not ParameterSource.DEFAULT:
        known = set().union(*map(known_namespaces, snapshots))
        if namespace not in known:
            raise ConfigError(
                f"--namespace {namespace}: no such namespace in the snapshot"
                f"{suggestion(namespace, known)}"
            )
    named = (
        [] if chosen is None else [pair[0] for pair in chosen.explicit.get("node_addresses", ())]
    )
    nodes = set().union(*map(known_nodes, snapshots)) if named else set()
    for node in named:
        if node not in nodes:
            raise ConfigError(
                f"--node-address {node}=...: no such node in the snapshot{suggestion(node, nodes)}"
            )
