"""The grammar of conntrack text once more, as one regular expression: the scanner's oracle."""

from __future__ import annotations

import ipaddress
import re

NUMBER = r"\d+"


def _tuple(which: str) -> str:
    return (
        rf"src=(?P<src_{which}>[0-9a-f.:]+) +dst=(?P<dst_{which}>[0-9a-f.:]+) *"
        rf"(?: sport=(?P<sport_{which}>\d+) +dport=(?P<dport_{which}>\d+)"
        rf"| type=(?P<type_{which}>\d+) +code=(?P<code_{which}>\d+) +id=(?P<id_{which}>\d+)"
        rf"| srckey=0x(?P<srckey_{which}>[0-9a-f]+) +dstkey=0x(?P<dstkey_{which}>[0-9a-f]+))?"
        rf"(?: +zone-{which}=(?P<zone_{which}>\d+))?"
        rf"(?: +packets=(?P<packets_{which}>\d+) +bytes=(?P<bytes_{which}>\d+))?"
    )


LINE = re.compile(
    r"(?:\[(?P<seconds>\d+)\.(?P<micros>\d{6})\]\t)?"
    r" *(?:\[(?P<event>NEW|UPDATE|DESTROY)\] +)?"
    r"(?:(?P<l3>ipv4|ipv6|unknown) +(?P<af>2|10) +(?=[a-z]))?"
    r"(?P<l4>tcp|udp|udplite|icmp|icmpv6|sctp|gre|dccp|unknown) +(?P<proto>\d+) +"
    r"(?:(?P<timeout>\d+) +)?(?:timeout=\d+, stream_timeout=\d+ +)?(?:(?P<state>[A-Z_0-9]+) +)?"
    + _tuple("orig")
    + r"(?P<unreplied> +\[UNREPLIED\])? +"
    + _tuple("reply")
    + r"(?: +\[(?P<flag>HW_OFFLOAD|OFFLOAD|ASSURED)\])?"
    r"(?: +mark=\d+)?(?: +secmark=\d+)?(?: +secctx=\S+)?(?: +zone=(?P<zone>\d+))?"
    r"(?: +delta-time=(?P<delta>\d+))?"
    r"(?: +\[start=(?P<start>[^\]]{24})\])?(?: +\[stop=[^\]]{24}\])?"
    r"(?: +helper=\S+)?(?: +use=\d+)?(?: +id=\d+)?(?: +labels=[^\[]+?)?"
    r"(?P<userspace> +\[USERSPACE\] portid=\d+(?: progname=.+)?)? *"
)


def address(text: str) -> bytes:
    """16 bytes, IPv4 mapped."""
    value = ipaddress.ip_address(text)
    if value.version == 4:
        return b"\0" * 10 + b"\xff\xff" + value.packed
    return value.packed


def parse(line: str) -> dict[str, object] | None:
    """Give the fields of one line by the scanner's column names, None if it is no record."""
    match = LINE.fullmatch(line)
    if match is None:
        return None
    get = match.groupdict()

    def number(name: str, default: int = 0) -> int:
        return int(get[name]) if get[name] is not None else default

    def ports(which: str) -> tuple[int, int]:
        if get[f"srckey_{which}"] is not None:
            return int(get[f"srckey_{which}"], 16), int(get[f"dstkey_{which}"], 16)
        return number(f"sport_{which}", number(f"id_{which}")), number(f"dport_{which}")

    flags = {
        "unreplied": get["unreplied"] is not None,
        "assured": get["flag"] == "ASSURED",
        "offload": get["flag"] in ("OFFLOAD", "HW_OFFLOAD"),
        "hw_offload": get["flag"] == "HW_OFFLOAD",
        "acct": get["packets_orig"] is not None or get["packets_reply"] is not None,
        "wide": ":" in get["src_orig"],
        "userspace": get["userspace"] is not None,
    }
    limit = (1 << 64) - 1
    zone = number("zone")
    return {
        "orig_src": address(get["src_orig"]),
        "orig_dst": address(get["dst_orig"]),
        "reply_src": address(get["src_reply"]),
        "reply_dst": address(get["dst_reply"]),
        "orig_sport": ports("orig")[0],
        "orig_dport": ports("orig")[1],
        "reply_sport": ports("reply")[0],
        "reply_dport": ports("reply")[1],
        "protocol": int(get["proto"]),
        "icmp_type": number("type_orig", 255),
        "icmp_code": number("code_orig", 255),
        "packets": min(limit, number("packets_orig") + number("packets_reply")),
        "bytes": min(limit, number("bytes_orig") + number("bytes_reply")),
        "flags": sum(1 << bit for bit, is_set in enumerate(flags.values()) if is_set),
        "event": ("", "NEW", "UPDATE", "DESTROY").index(get["event"] or ""),
        "state": get["state"] or "",
        "zone_orig": number("zone_orig", zone),
        "zone_reply": number("zone_reply", zone),
        "time": number("seconds") * 10**9 + number("micros") * 1000 if get["seconds"] else None,
        "delta_time": number("delta", -1),
        "start": get["start"],
    }
