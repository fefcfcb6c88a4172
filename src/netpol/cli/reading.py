"""Takes what a command line names, gives cluster, policies and flows, with warnings on stderr."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import click

from netpol.cli import steps
from netpol.cli.dns import names_domains
from netpol.cli.errors import say
from netpol.cli.options import ChosenSwitches

if TYPE_CHECKING:
    from netpol.dns.observations import DnsObservations
    from netpol.flows.reader import FlowStream
    from netpol.kube.policies import PolicySet
    from netpol.kube.snapshot import Snapshot

__all__ = ["Inputs", "World", "flow_stream", "inputs_of", "read_once", "read_world"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the options of ``netpol.cli.flow_options`` say."""

    flows: tuple[str, ...]
    cluster: tuple[str, ...]
    policies: tuple[str, ...]
    dns: tuple[str, ...]
    format: str
    namespace: str
    start_zone: str | None
    strict: bool
    dedup: bool
    memory_budget: int
    jobs: int
    quiet: bool
    chosen: ChosenSwitches


class World(NamedTuple):
    """Policies and the cluster they are for."""

    policies: PolicySet
    snapshot: Snapshot


def inputs_of(inputs: Inputs) -> dict[str, tuple[str, ...]]:
    """Give the files that are read, by what they are to the command."""
    return {
        "flows": inputs.flows,
        "cluster": inputs.cluster,
        "policies": inputs.policies,
        "dns": inputs.dns,
    }


def read_once(inputs: Inputs) -> None:
    """Refuse to read standard input twice."""
    if [path for paths in inputs_of(inputs).values() for path in paths].count("-") > 1:
        raise click.UsageError("stdin (-) can be read only once")


def flow_stream(inputs: Inputs) -> FlowStream:
    """Open the flow logs."""
    from netpol.flows.reader import open_flows

    return open_flows(
        inputs.flows,
        format=inputs.format,
        strict=inputs.strict,
        dedup=inputs.dedup,
        start_zone=inputs.start_zone,
    )


def read_world(inputs: Inputs, dns: DnsObservations | None) -> World:
    """Read cluster and policies; say what is odd about them."""
    from netpol.kube.snapshot import read_snapshot

    switches = inputs.chosen.under(inputs.chosen.profile)
    with steps.stdin_twice(needed="-" in inputs.cluster and not inputs.policies):
        snapshot = replace(read_snapshot(inputs.cluster, switches=switches), dns=dns)
    policies = steps.policies_of(
        inputs.policies, inputs.cluster, switches=switches, namespace=inputs.namespace
    )
    if not inputs.quiet:
        for warning in dict.fromkeys((*snapshot.warnings, *policies.warnings)):
            say("warning", warning)
        if dns is not None and not names_domains(policies):
            say("warning", "--dns: no policy has domainNames, so DNS changes no verdict")
    return World(policies, snapshot)
