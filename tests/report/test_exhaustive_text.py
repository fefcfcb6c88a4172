"""An exhaustive diff in words: complete, as wide as it is shown, and no name raw."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from ipaddress import ip_network

import pytest
from rich.cells import cell_len

from netpol.model.verdict import Side, Verdict
from netpol.questions.allpairs.portsets import Ports
from netpol.questions.diff.changes import Change as PolicyChange
from netpol.questions.diff.exhaustive import Change, ChangeList, ExhaustiveDiff, Judged, Part
from netpol.questions.diff.groups import Kind
from netpol.questions.replay.replay import Credit
from netpol.report.ci import formats as ci
from netpol.report.ci.exhaustive import annotations_of, counts_of, gated
from netpol.report.json import exhaustive as exhaustive_json
from netpol.report.records import exhaustive as exhaustive_csv
from netpol.report.text import exhaustive
from netpol.report.words.formats import CI_FORMATS
from netpol.report.words.networks import networks_text, party_text

HOSTILE = "evil\x1b]0;pwned\x07\x1b[2J[bold]x[/bold]\r\n\u202e"
SAME = ExhaustiveDiff(
    policies=(1, 1),
    pods=4,
    classes=1234, pairs=500, differing=0, pod_pairs=0, verdicts=(), changes=(), distinct=0,
    capped=False, proven=True, sides=False, rule_sides=False, unrecorded=False, left_out=0,
    kinds=dict.fromkeys(Kind, 0), other_rules=None,
)  # fmt: skip


def different(name: str) -> ExhaustiveDiff:
    denied = Credit(name, None, Side.INGRESS, f"{name}.yaml", 3, (name, "ns/other"))
    rule = Credit(name, 2, Side.INGRESS, f"{name}.yaml", 17)
    some = Ports("tcp", ((80, 80), (443, 444)))
    all_udp = Ports("udp", ((0, 65535),))
    networks = tuple(f"192.0.{n}.0/24" for n in range(2, 14, 2))
    cause = PolicyChange("changed", name, "NetworkPolicy", f"{name}.yaml", 1)
    allowed, refused = Judged(Verdict.ALLOW, (rule,)), Judged(Verdict.DENY, (denied,))
    parts = (
        Part(networks, (), (some,), False, 12, allowed, refused, cause),
        Part(networks[:1], (), (all_udp,), False, 3, Judged(Verdict.ALLOW, ()), refused),
    )  # fmt: skip
    change = Change("external", name, networks, (), (some, all_udp), False, 12, parts)
    moved = replace(rule, rule=3, line=21)
    same = Part((), (), (some,), True, 4, allowed, Judged(Verdict.ALLOW, (moved,)))
    kinds = {**SAME.kinds, Kind.NEWLY_DENIED: 40, Kind.OTHER_RULE: 4}
    return replace(
        SAME, differing=40, pod_pairs=7, verdicts=(Verdict.DENY,), changes=(change,), distinct=3,
        proven=False, unrecorded=True, left_out=2, kinds=kinds,
        other_rules=ChangeList((Change(name, name, (), (), (some,), True, 4, (same,)),), 1),
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
    words = " ".join(text.split())
    assert "before: allow, shop/web ingress[2]" in words
    assert "3 pairs, from external 192.0.2.0/24, udp: before: allow after: deny" in words
    assert "by changed NetworkPolicy shop/web alone (shop/web.yaml:1)" in words
    assert "40 newly denied" in words
    assert "4 pairs are judged the same by another rule" in words
    assert "after: allow, shop/web ingress[3]" in words
    assert "and 2 changes with fewer pairs" in text
    assert "not compared: 2 pods without an address" in text


def test_other_rules_are_counted_without_being_listed() -> None:
    text = exhaustive.render(
        replace(SAME, kinds={**SAME.kinds, Kind.OTHER_RULE: 1_234}), io.StringIO()
    )
    assert text.startswith("equivalent")
    assert "1,234 pairs are judged the same by another rule: see --other-rule\n" in text
    none = exhaustive.render(replace(SAME, other_rules=ChangeList()), io.StringIO())
    assert "no pair gets the same verdict by another rule" in none
    unsure = exhaustive.render(replace(SAME, rule_sides=True), io.StringIO())
    assert "another rule may match" in unsure


@pytest.mark.parametrize("width", [72, 80, 120])
def test_it_fits(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    text = exhaustive.render(different("a-long-namespace/a-rather-long-name"), io.StringIO())
    assert max(map(cell_len, text.splitlines())) <= width


def test_hostile_names_are_escaped() -> None:
    text = exhaustive.render(different(HOSTILE), io.StringIO())
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(text)
    rows = list(csv.DictReader(io.StringIO(exhaustive_csv.render(different(HOSTILE)).decode())))
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set("".join("".join(r.values()) for r in rows))
    assert [row["kind"] for row in rows] == ["newly-denied", "newly-denied", "other-rule"]
    document = json.loads(exhaustive_json.render(different(HOSTILE)))
    assert document["changes"]["top"][0]["dst"] == HOSTILE
    assert document["equivalent"] is False
    assert document["changes"]["top"][0]["ports"][0] == {
        "protocol": "tcp", "ports": [[80, 80], [443, 444]],
    }  # fmt: skip


def test_rows_say_who_decides_and_where() -> None:
    rows = list(csv.DictReader(io.StringIO(exhaustive_csv.render(different("shop/web")).decode())))
    first = rows[0]
    assert (first["before_by"], first["after_by"]) == ("shop/web ingress[2]", "shop/web ingress")
    assert (first["ports"], first["pairs"]) == ("80,443-444/tcp", "12")
    assert first["responsible"] == "changed NetworkPolicy shop/web"
    assert (first["file"], first["line"]) == ("shop/web.yaml", "3")
    assert rows[2]["after_by"] == "shop/web ingress[3]"


def test_findings_are_one_for_each_cause() -> None:
    diff = different("shop/web")
    found = annotations_of(diff)
    assert [(one.code, one.level, one.line) for one in found] == [
        ("newly-denied", "error", 3), ("newly-denied", "error", 3),
        ("not-listed", "warning", None), ("other-rule", "note", 21),
    ]  # fmt: skip
    assert found[0].message.startswith("12 pairs newly denied by changed NetworkPolicy shop/web")
    assert found[1].identity == ("rule", "no ingress rule of shop/web")
    assert len({one.fingerprint for one in found}) == len(found)
    more = replace(diff, distinct=5, changes=tuple(replace(c, pairs=99) for c in diff.changes))
    assert [one.fingerprint for one in annotations_of(more)] == [one.fingerprint for one in found]
    assert counts_of(diff) == ("40 newly denied", "4 the same by another rule")
    assert counts_of(SAME) == ("equivalent",)
    assert not annotations_of(SAME)
    unsure = replace(SAME, proven=False, sides=True)
    assert [one.code for one in annotations_of(unsure)] == ["not-proven"]
    assert gated(unsure, ["newly-denied"]) == {"error", "warning"}
    assert gated(SAME, ["newly-denied", "other-rule"]) == {"error", "note"}
    for output in CI_FORMATS:
        text = ci.render(output, annotations_of(different(HOSTILE)), ci.Heading("diff-exhaustive"))
        assert not {"\x1b", "\x07", "\r", "\u202e"} & set(text)


def test_a_finding_stands_at_the_rule_that_went_if_none_came() -> None:
    gone = Credit("shop/web", 2, Side.INGRESS, "web.yaml", 17)
    part = Part((), (), (), True, 1, Judged(Verdict.DENY, (gone,)), Judged(Verdict.ALLOW, ()))
    assert part.place == ("web.yaml", 17)
    cause = PolicyChange("changed", "shop/other", "NetworkPolicy", "other.yaml", 1)
    assert replace(part, responsible=cause).place == ("other.yaml", 1)
    assert replace(part, before=part.after).place == (None, None)


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
