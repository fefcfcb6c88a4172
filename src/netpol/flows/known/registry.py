"""The registry of formats of flow logs that netpol recognises and does not read yet.

What a log of each kind says and does not say is in docs/formats.md. Order matters: the first that
fits is it, so the narrower stand before the wider.
"""

from __future__ import annotations

import re

from netpol.flows.known.clouds import CLOUDS
from netpol.flows.known.clusters import CLUSTERS
from netpol.flows.known.formats import Envelope, KnownFormat
from netpol.flows.known.hosts import HOSTS
from netpol.flows.known.networks import NETWORKS
from netpol.flows.known.writing import all_of

__all__ = ["ENVELOPES", "KNOWN"]

#: Tried in this order.
KNOWN: tuple[KnownFormat, ...] = CLOUDS + CLUSTERS + NETWORKS + HOSTS

ENVELOPES: tuple[Envelope, ...] = (
    Envelope(
        "log lines of a container runtime (CRI)",
        "sed 's/^[^ ]* std[a-z]* [FP] //'",
        text=re.compile(rb"\s*\S+ (?:stdout|stderr) [FP] "),
    ),
    Envelope(
        "kubectl logs --prefix", "leave --prefix out", text=re.compile(rb"\s*\[pod/[^\]\n]+\] ")
    ),
    Envelope(
        "kubectl logs --timestamps",
        "leave --timestamps out",
        text=re.compile(rb"\s*\d{4}-\d\d-\d\dT[\d:.]+Z \{"),
    ),
    Envelope(
        "syslog",
        "cut its prefix off",
        text=re.compile(rb"\s*(?:<\d+>)?[A-Z][a-z]{2} [ \d]\d [\d:]{8} \S+ \S+: "),
    ),
    Envelope("container logs of Docker or Fluent Bit", "jq -rj .log", (all_of("log", "stream"),)),
    Envelope(
        "an answer of Loki",
        "jq -r '.data.result[].values[][1]'",
        (all_of("resultType", "values"), all_of("stream", "values"), all_of("streams")),
    ),
    Envelope("documents of Elasticsearch", "jq -c ._source", (all_of("_source", "_index"),)),
    Envelope(
        "entries of journald",
        "jq -r .MESSAGE",
        (all_of("MESSAGE", "__CURSOR"), all_of("MESSAGE", "_HOSTNAME")),
    ),
    Envelope(
        "events of CloudWatch",
        "jq -r '.events[].message'",
        (
            all_of("logEvents"),
            all_of("message", "ingestionTime"),
            all_of("logStreamName", "message"),
        ),
    ),
    Envelope("logs of Kubernetes", "jq -r .log", (all_of("kubernetes", "log"),)),
    Envelope("messages of a log", "jq -r .message", (all_of("message", "@timestamp"),)),
)
