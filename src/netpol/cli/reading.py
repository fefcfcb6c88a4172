"""Takes what a command line names, gives cluster, policies and flows, with warnings on stderr."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import click

from netpol.cli import steps
from netpol.cli.dns import names_domains
from netpol.cli.errors import say
from netpol.cli.gates import skip_limit_of
from netpol.cli.names import require_known
from netpol.cli.options import ChosenSwitches

if TYPE_CHECKING:
    from netpol.flows.limits import SkipLimit
    from netpol.flows.reader import FlowStream
    from netpol.kube.policies import PolicySet
    from netpol.kube.snapshot import Snapshot
    from netpol.model.dns_observations import DnsObservations
    from netpol.model.switches import Switches

__all__ = [
    "Inputs",
    "World",
    "WorldInputs",
    "flow_stream",
    "inputs_of",
    "read_cluster",
    "read_once",
    "read_world",
    "warn",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldInputs:
    """What the options about policies and their cluster say."""

    cluster: tuple[str, ...]
    policies: tuple[str, ...]
    dns: tuple[str, ...]
    namespace: str
    exclude: tuple[str, ...]
    ignore_kinds: str
    memory_budget: int
    quiet: bool
    chosen: ChosenSwitches


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs(WorldInputs):
    """What the options of ``netpol.cli.flow_options`` say, flows among it."""

    flows: tuple[str, ...]
    format: str
    start_zone: str | None
    one_way: bool
    strict: bool
    dedup: bool
    max_skipped: SkipLimit | None
    jobs: int


class World(NamedTuple):
    """Policies and the cluster they are for."""

    policies: PolicySet
    snapshot: Snapshot


def inputs_of(inputs: WorldInputs) -> dict[str, tuple[str, ...]]:
    """Return the files that are read, by what they are to the command."""
    flows = {"flows": inputs.flows} if isinstance(inputs, Inputs) else {}
    return {
        **flows,
        "cluster": inputs.cluster,
        "policies": inputs.policies,
        "dns": inputs.dns,
    }


def read_once(*paths: Iterable[str]) -> None:
    """Refuse to read standard input twice."""
    if [path for some in paths for path in some].count("-") > 1:
        raise click.UsageError("stdin (-) can be read only once")


def flow_stream(inputs: Inputs, *, gate: bool) -> FlowStream:
    """Open the flow logs; ``gate`` says that something may pass by what they hold."""
    from netpol.flows.reader import open_flows

    return open_flows(
        inputs.flows,
        format=inputs.format,
        strict=inputs.strict,
        dedup=inputs.dedup,
        start_zone=inputs.start_zone,
        one_way=inputs.one_way,
        max_skipped=skip_limit_of(inputs.max_skipped, gate=gate),
    )


def read_cluster(
    cluster: tuple[str, ...],
    switches: Switches,
    dns: DnsObservations | None,
    *,
    namespace: str,
    policies: bool,
    exclude: tuple[str, ...] = (),
) -> Snapshot:
    """Read a cluster; ``policies`` says that those among it are read afterwards."""
    from netpol.kube.snapshot import read_snapshot

    with steps.stdin_twice(needed="-" in cluster and policies):
        found = read_snapshot(cluster, switches=switches, namespace=namespace, exclude=exclude)
        return replace(found, dns=dns)


def read_world(inputs: WorldInputs, dns: DnsObservations | None) -> World:
    """Read cluster and policies; say what is odd about them."""
    switches = inputs.chosen.under(inputs.chosen.profile)
    snapshot = read_cluster(
        inputs.cluster,
        switches,
        dns,
        namespace=inputs.namespace,
        policies=not inputs.policies,
        exclude=inputs.exclude,
    )
    require_known([snapshot], inputs.namespace, inputs.chosen)
    policies = steps.policies_of(
        inputs.policies,
        inputs.cluster,
        switches=switches,
        namespace=inputs.namespace,
        exclude=inputs.exclude,
        ignore_kinds=inputs.ignore_kinds,
    )
    if not inputs.quiet:
        warn([snapshot], [policies], dns)
    return World(policies, snapshot)


def warn(
    snapshots: Sequence[Snapshot], policies: Sequence[PolicySet], dns: DnsObservations | None
) -> None:
    """Say once each what is odd about what was read, of policies beside their own snapshot."""
    from netpol.kube.namespace_findings import findings_beside

    warnings = [text for snapshot in snapshots for text in snapshot.warnings]
    for one, snapshot in zip(policies, snapshots, strict=True):
        warnings += map(str, findings_beside(one, snapshot))
    for warning in dict.fromkeys(warnings):
        say("warning", warning)
    notes = [note for snapshot in snapshots for note in snapshot.notes]
    notes += [note for one in policies for note in one.notes]
    for text in dict.fromkeys(map(str, notes)):
        say("note", text)
    if dns is not None and not any(map(names_domains, policies)):
        say("warning", "--dns: no policy has domainNames, so DNS changes no verdict")
