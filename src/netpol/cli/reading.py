"""Takes what a command line names, gives cluster, policies and flows, with warnings on stderr."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import click

from netpol.cli.dns import names_domains
from netpol.cli.errors import say
from netpol.cli.options import ChosenSwitches
from netpol.errors import ConfigError, ManifestError

if TYPE_CHECKING:
    from netpol.dns.observations import DnsObservations
    from netpol.flows.reader import FlowStream
    from netpol.kube.policies import PolicySet
    from netpol.kube.snapshot import Snapshot
    from netpol.switches import Switches

__all__ = ["Inputs", "World", "flow_stream", "progress", "read_once", "read_world"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What the options of ``netpol.cli.inputs`` say."""

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


def read_once(inputs: Inputs) -> None:
    """Refuse to read standard input twice."""
    named = (*inputs.flows, *inputs.cluster, *inputs.policies, *inputs.dns)
    if named.count("-") > 1:
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
    with _stdin_twice(inputs):
        snapshot = replace(read_snapshot(inputs.cluster, switches=switches), dns=dns)
    policies = _policies(inputs, switches)
    if not inputs.quiet:
        for warning in dict.fromkeys((*snapshot.warnings, *policies.warnings)):
            say("warning", warning)
        if dns is not None and not names_domains(policies):
            say("warning", "--dns: no policy has domainNames, so DNS changes no verdict")
    return World(policies, snapshot)


def _policies(inputs: Inputs, switches: Switches) -> PolicySet:
    from netpol.kube.policies import read_policies

    try:
        return read_policies(
            inputs.policies or inputs.cluster, switches=switches, namespace=inputs.namespace
        )
    except ManifestError as error:
        if inputs.policies or not error.message.startswith("no network policy"):
            raise
        raise ConfigError(f"{error}; name the policies with --policies") from None


@contextlib.contextmanager
def _stdin_twice(inputs: Inputs) -> Iterator[None]:
    """Keep a snapshot on stdin, so that the policies among it can be read afterwards."""
    if "-" not in inputs.cluster or inputs.policies:
        yield
        return
    data = sys.stdin.buffer.read()
    sys.stdin = io.TextIOWrapper(io.BytesIO(data))
    yield
    sys.stdin = io.TextIOWrapper(io.BytesIO(data))


@contextlib.contextmanager
def progress(quiet: bool) -> Iterator[Callable[[int], None] | None]:
    """Show on stderr how far a command is, if somebody watches."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} flows"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda records: shown.update(task, completed=records)
