"""Takes two named ends and a port as written, gives the flows between them.

A workload is every live pod of it: one flow for each pair, the first pods' first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import NamedTuple

from netpol.explain.match_descriptions import PROTOCOL_WORDS
from netpol.explain.names import NamedEnd
from netpol.model.batch import PORT_PROTOCOLS, PROTOCOL_NAMES
from netpol.model.errors import ConfigError
from netpol.model.flow import Flow
from netpol.reference.addresses import Address
from netpol.reference.identities import KnownPod

__all__ = ["MOST_PAIRS", "AskedFlow", "Port", "flows_between", "read_port"]

MOST_PAIRS = 256  # pairs of replicas that are judged
_NUMBERS = {name: number for number, name in PROTOCOL_NAMES.items()}


class Port(NamedTuple):
    """A port by number or name, None where the protocol has none."""

    port: int | str | None
    protocol: int

    def __str__(self) -> str:
        """Return it as written."""
        name = PROTOCOL_NAMES.get(self.protocol, str(self.protocol))
        return name if self.port is None else f"{self.port}/{name}"


class AskedFlow(NamedTuple):
    """A flow, and the names of its ends."""

    flow: Flow
    src: str
    dst: str


def read_port(text: str) -> Port:
    """Read ``PORT[/PROTOCOL]`` or a protocol without ports; TCP unless it says otherwise.

    Raises
    ------
    ConfigError
        It is neither.
    """
    word, slash, protocol = text.strip().partition("/")
    lower = word.lower()
    if not slash and lower in _NUMBERS and _NUMBERS[lower] not in PORT_PROTOCOLS:
        return Port(None, _NUMBERS[lower])
    number = _NUMBERS.get((protocol if slash else "tcp").lower())
    if number not in PORT_PROTOCOLS or not word:
        raise ConfigError(f"{text!r} is no port, such as 80, 53/udp, http or icmp")
    if not word.isascii() or not word.isdecimal():
        return Port(word, number)
    if len(word) > 5 or not 0 < int(word) < 1 << 16:
        raise ConfigError(f"{text!r}: ports go from 1 to 65535")
    return Port(int(word), number)


def flows_between(
    src: NamedEnd, dst: NamedEnd, port: Port, family: int | None, time: int | None
) -> tuple[list[AskedFlow], int]:
    """Return the flows, at most ``MOST_PAIRS``, and how many pairs there are.

    Raises
    ------
    ConfigError
        A service that dials, no address in common, or a port the destination does not have.
    """
    if src.kind == "service":
        raise ConfigError(f"{src.label}: a service opens no connections; name a pod or a workload")
    if dst.service is not None and not dst.addresses:
        raise ConfigError(f"{dst.label} is headless: name one of its pods")
    pairs: Iterator[tuple[KnownPod | None, KnownPod | None]] = product(
        src.pods or (None,), dst.pods or (None,)
    )
    count = max(len(src.pods), 1) * max(len(dst.pods), 1)
    found = []
    for index, (client, server) in enumerate(pairs):
        if index == MOST_PAIRS:
            break
        found.append(_flow((src, client), (dst, server), port, family, time))
    return found, count


def _flow(
    source: tuple[NamedEnd, KnownPod | None],
    target: tuple[NamedEnd, KnownPod | None],
    port: Port,
    family: int | None,
    time: int | None,
) -> AskedFlow:
    (src, client), (dst, server) = source, target
    src_label = _name(client) or src.label
    dst_label = _name(server) or dst.label
    src_address, dst_address = _common(
        (src_label, client.addresses if client else src.addresses),
        (dst_label, server.addresses if server else dst.addresses),
        family,
    )
    protocol = port.protocol
    if protocol == 1 and dst_address.version == 6:
        protocol = 58
    flow = Flow(
        src=str(src_address),
        dst=str(dst_address),
        protocol=protocol,
        dport=_number(port, dst, server),
        time=time,
        src_pod=_name(client),
        dst_pod=_name(server),
    )
    return AskedFlow(flow, src_label, dst_label)


def _name(pod: KnownPod | None) -> str | None:
    return None if pod is None else f"{pod.namespace}/{pod.name}"


def _common(
    src: tuple[str, Sequence[Address]], dst: tuple[str, Sequence[Address]], family: int | None
) -> tuple[Address, Address]:
    """Return the first address of each in a family both have, IPv4 unless ``family`` says."""
    for label, addresses in (src, dst):
        if not addresses:
            raise ConfigError(f"{label} has no address in the snapshot")
    for version in (4, 6) if family is None else (family,):
        firsts = [next((a for a in item[1] if a.version == version), None) for item in (src, dst)]
        if firsts[0] is not None and firsts[1] is not None:
            return firsts[0], firsts[1]
    what = "addresses of one family" if family is None else f"IPv{family} addresses"
    raise ConfigError(f"{src[0]} and {dst[0]} do not both have {what}")


def _number(port: Port, dst: NamedEnd, server: KnownPod | None) -> int | None:
    """Return the port's number; that of a service is its own, not that of its pods."""
    if dst.service is not None and port.port is not None:
        return _service_port(port, dst)
    if not isinstance(port.port, str):
        return port.port
    if server is None:
        raise ConfigError(f"{dst.label} declares no port names: give the number of {port.port}")
    ports = {(name, protocol): number for name, protocol, number in sorted(server.named_ports)}
    numbers = {n for name, p, n in server.named_ports if (name, p) == (port.port, port.protocol)}
    if len(numbers) == 1:
        return numbers.pop()
    if numbers:
        several = ", ".join(map(str, sorted(numbers)))
        raise ConfigError(f"{_name(server)} declares {port} several times: {several}")
    declared = [f"{name} {number}/{_word(protocol)}" for (name, protocol), number in ports.items()]
    has = f"; it declares {', '.join(declared)}" if declared else ""
    raise ConfigError(f"{_name(server)} declares no port {port}{has}")


def _service_port(port: Port, dst: NamedEnd) -> int:
    assert dst.service is not None
    listed = (dst.service.spec.ports if dst.service.spec else None) or ()
    for each in listed:
        same = (each.protocol or "TCP") == PROTOCOL_WORDS.get(port.protocol)
        if same and port.port in (each.port, each.name):
            return each.port
    names = [
        " ".join(filter(None, (each.name, f"{each.port}/{(each.protocol or 'TCP').lower()}")))
        for each in listed
    ]
    has = f"; it has {', '.join(names)}" if names else ""
    raise ConfigError(f"{dst.label} has no port {port}{has}")


def _word(protocol: int) -> str:
    return PROTOCOL_NAMES.get(protocol, str(protocol))
