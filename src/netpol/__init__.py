"""Replay recorded network flows against Kubernetes network policies.

Read policies and a snapshot of the cluster, compile them, and judge flows::

    engine = netpol.compile(netpol.read_policies("policies/"), netpol.read_snapshot("cluster.json"))
    verdicts = engine.evaluate({"src": ["10.0.0.1"], "dst": ["10.0.0.2"], "protocol": ["tcp"],
                                "dport": [80]})
    print(verdicts.counts(), verdicts.explain(0))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netpol.model.moved import follow

if TYPE_CHECKING:
    from netpol.compiler.addresses.clusters import Clusters
    from netpol.dns.read import read_dns
    from netpol.engine.engine import Engine, compile, load  # noqa: A004
    from netpol.engine.verdicts import Verdicts
    from netpol.flows.reader import open_flows
    from netpol.kube.policies import PolicySet, read_policies
    from netpol.kube.snapshot import Snapshot, read_snapshot
    from netpol.model.batch import FlowBatch
    from netpol.model.dns_observations import DnsObservations
    from netpol.model.flow import Flow
    from netpol.model.switches import Switches
    from netpol.model.verdict import Cause, Note, Reason, Side, Tier, Verdict
    from netpol.questions.diff.diff import Diff, diff
    from netpol.questions.replay.recorded import Recorded, RecordedPair

__version__ = "0.1.0"

__all__ = [
    "Cause",
    "Clusters",
    "Diff",
    "DnsObservations",
    "Engine",
    "Flow",
    "FlowBatch",
    "Note",
    "PolicySet",
    "Reason",
    "Recorded",
    "RecordedPair",
    "Side",
    "Snapshot",
    "Switches",
    "Tier",
    "Verdict",
    "Verdicts",
    "compile",
    "diff",
    "load",
    "open_flows",
    "read_dns",
    "read_policies",
    "read_snapshot",
]

#: Where each public name lives. Loaded on first use, so that ``import netpol`` and the command
#: line's ``--help`` need neither NumPy nor PyArrow.
_HOMES = {
    "Cause": "netpol.model.verdict",
    "Clusters": "netpol.compiler.addresses.clusters",
    "Diff": "netpol.questions.diff.diff",
    "DnsObservations": "netpol.model.dns_observations",
    "Engine": "netpol.engine.engine",
    "Flow": "netpol.model.flow",
    "FlowBatch": "netpol.model.batch",
    "Note": "netpol.model.verdict",
    "PolicySet": "netpol.kube.policies",
    "Recorded": "netpol.questions.replay.recorded",
    "RecordedPair": "netpol.questions.replay.recorded",
    "Reason": "netpol.model.verdict",
    "Side": "netpol.model.verdict",
    "Snapshot": "netpol.kube.snapshot",
    "Switches": "netpol.model.switches",
    "Tier": "netpol.model.verdict",
    "Verdict": "netpol.model.verdict",
    "Verdicts": "netpol.engine.verdicts",
    "compile": "netpol.engine.engine",
    "diff": "netpol.questions.diff.diff",
    "load": "netpol.engine.engine",
    "open_flows": "netpol.flows.reader",
    "read_dns": "netpol.dns.read",
    "read_policies": "netpol.kube.policies",
    "read_snapshot": "netpol.kube.snapshot",
}


follow()


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    from importlib import import_module

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
