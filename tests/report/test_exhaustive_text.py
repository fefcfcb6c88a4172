"""An exhaustive diff in words: complete, as wide as it is shown, and no name raw."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from ipaddress import ip_network

import pytest
from rich.cells import cell_len

from netpol.analysis.exhaustive import Change, ExhaustiveDiff, Judged
from netpol.analysis.portsets import Ports
from netpol.replay import Credit
from netpol.report import exhaustive, exhaustive_json
from netpol.report.networks import networks_text, party_text
from netpol.verdict import Side, Verdict

HOSTILE = "evil\x1b]0;pwned\x07\x1b[2J[bold]x[/bold]\r\n\u202e"
SAME = ExhaustiveDiff(
    classes=1234, pairs=500, differing=0, pod_pairs=0, verdicts=(), changes=(), distinct=0,
    capped=False, proven=True, sides=False, unrecorded=False, left_out=0,
)  # fmt: skip


def different(name: str) -> ExhaustiveDiff:
    denied = Credit(name, None, Side.INGRESS, f"{name}.yaml", 3, (name, "ns/other"))
    rule = Credit(name, 2, Side.INGRESS, f"{name}.yaml", 17)
    ports = (Ports("tcp", ((80, 80), (443, 444))), Ports("udp", ((0, 65535),)))
    change = Change(
        "external", name, tuple(f"192.0.{n}.0/24" for n in range(2, 14, 2)), (), ports, False, 12,
        Judged(Verdict.ALLOW, (rule,)), Judged(Verdict.DENY, (denied,)),
    )  # fmt: skip
    return replace(
        SAME, differing=40, pod_pairs=7, verdicts=(Verdict.DENY,), changes=(change,), distinct=3,
        proven=False, unrecorded=True, left_out=2,
    )  # fmt: skip


def test_a_proof_is_one_line() -> None:
    assert exhaustive.render(SAME, io.StringIO()) == (
        "equivalent: no pair, port and protocol is judged otherwise (1,234 classes compared)\n"
    )


def test_what_is_not_proven_is_not_called_equivalent() -> None:
    text = exhaustive.render(replace(SAME, proven=False, sides=True), io.StringIO())
    assert "equivalent" not in text
    assert "not proven" in text


def test_changes_say_who_what_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = exhaustive.render(different("shop/web"), io.StringIO())
    assert "40 of 500 pairs judged otherwise, 7 of them of two pods" in text
    assert "external (192.0.2.0/24, 192.0.4.0/24, 192.0.6.0/24" in text.replace("\n", " ")
    assert "and 2 more" in " ".join(text.split())
    assert "80,443-444/tcp" in text
    assert "before: allow, shop/web ingress[2]" in " ".join(text.split())
    assert "and 2 changes with fewer pairs" in text
    assert "not compared: 2 pods without an address" in text


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_fits(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = exhaustive.render(different("a-long-namespace/a-rather-long-name"), io.StringIO())
    assert max(map(cell_len, text.splitlines())) <= width


def test_hostile_names_are_escaped() -> None:
    text = exhaustive.render(different(HOSTILE), io.StringIO())
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(text)
    document = json.loads(exhaustive_json.render(different(HOSTILE)))
    assert document["changes"]["top"][0]["dst"] == HOSTILE
    assert document["equivalent"] is False
    assert document["changes"]["top"][0]["ports"][0] == {
        "protocol": "tcp", "ports": [[80, 80], [443, 444]],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        (["192.0.2.0/24"], "but 192.0.2.0/24"),
        (["::/0", "10.0.0.0/8"], "but 10.0.0.0/8, ::/0"),
        (["0.0.0.0/32", "255.255.255.255/32"], "but 0.0.0.0/32, 255.255.255.255/32"),
    ],
)
def test_few_networks_left_out_are_said_instead(left_out: list[str], words: str) -> None:
    held = [ip_network("0.0.0.0/0"), ip_network("::/0")]
    for text in left_out:
        gone = ip_network(text)
        held = [
            part
            for one in held
            for part in (
                one.address_exclude(gone)
                if one.version == gone.version and gone.subnet_of(one)
                else [one]
            )
        ]
    assert networks_text(tuple(map(str, held))) == words


def test_everywhere_is_a_word() -> None:
    everywhere = ("0.0.0.0/0", "::/0")
    assert networks_text(everywhere) == "any"
    assert party_text("external", everywhere) == "external"


def test_many_networks_are_cut() -> None:
    held = tuple(f"10.{number}.0.0/24" for number in range(9))
    assert networks_text(held) == ", ".join(held[:4]) + " and 5 more"
    assert networks_text(held[:2]) == "10.0.0.0/24, 10.1.0.0/24"
