"""Takes the DNS logs a command line names, gives what they say, for the snapshot and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from netpol.kube.policies import PolicySet
    from netpol.model.dns_observations import DnsObservations
    from netpol.questions.replay.replay import DnsCounts

__all__ = ["names_domains", "read_dns_logs"]


def read_dns_logs(
    paths: tuple[str, ...], *, strict: bool
) -> tuple[DnsObservations | None, DnsCounts | None]:
    """Read the logs of ``--dns``; None without any."""
    if not paths:
        return None, None
    from netpol.dns.read import read_dns
    from netpol.model.read_stats import ReadStats
    from netpol.questions.replay.replay import dns_counts

    stats = ReadStats()
    seen = read_dns(paths, strict=strict, stats=stats)
    return seen, dns_counts(seen, stats)


def names_domains(policies: PolicySet) -> bool:
    """Return whether any policy has a peer of ``domainNames``."""
    return any(
        peer.domain_names
        for loaded in policies.cluster_policies
        if loaded.policy.spec is not None
        for rule in loaded.policy.spec.egress or ()
        for peer in rule.to or ()
    )
