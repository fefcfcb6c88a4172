"""Takes keyword switches, gives a checked, immutable ``Switches`` (specification.md section 0).

Each switch names behaviour that upstream leaves open; the default is the one of the
specification. Loader, compiler and reference evaluator read the same object.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args, get_type_hints

from netpol.model.errors import ConfigError

__all__ = ["Switches"]


@dataclass(frozen=True, slots=True)
class Switches:
    """Behaviour upstream leaves open. Values outside the listed ones raise ``ConfigError``."""

    host_network: Literal["node", "pod"] = "node"  # A12.1
    own_node_ingress: Literal["allow", "enforce"] = "allow"  # A11.1
    own_node_egress: Literal["enforce", "allow"] = "enforce"  # A11.3
    node_port_egress: Literal["unknown", "node", "backend"] = "unknown"  # A15.9
    np_service_hairpin: Literal["allow", "enforce"] = "allow"  # A10.3
    ipblock_scope: Literal["any", "non-pod", "non-cluster"] = "any"  # A6.4
    other_protocols: Literal["match-portless", "ignore", "unknown"] = "match-portless"  # A17.2
    named_port_init: Literal["sidecars", "none", "all-init"] = "sidecars"  # A8.5
    cnp_tie: Literal["name-and-flag", "error", "unknown"] = "name-and-flag"  # B3.4
    baseline_gate: Literal["per-direction", "any-direction"] = "per-direction"  # B5.4
    missing_namespace: Literal["unknown-labels", "name-label-only"] = "unknown-labels"  # A3.8
    strict_cidr: Literal["warn", "reject"] = "warn"  # A1.9
    unknown_fields: Literal["error", "warn"] = "error"  # A1.2
    node_addresses: tuple[tuple[str, str], ...] = ()  # A11.4: extra (node name, address) pairs

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for field in fields(self):
            choices = get_args(hints[field.name])
            value = getattr(self, field.name)
            if field.name != "node_addresses" and value not in choices:
                raise ConfigError(
                    f"switch {field.name}: {value!r} is not one of {', '.join(choices)}"
                )
