"""Every reason and note has words, docs/output.md has them all, and advice fits what was given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netpol
from netpol.flows.reader import open_flows
from netpol.model.evidence import Evidence
from netpol.model.flow import Flow
from netpol.model.verdict import Note, Reason, Verdict
from netpol.questions.replay.replay import ReplaySummary, replay
from netpol.report.html.evidence import evidence
from netpol.report.json.replay import document
from netpol.report.text.replay import render
from netpol.report.words.wording import NOTES, REASONS, SETTLES, SOURCE_RECORDED, settled_by
from netpol.run.sums import SourceNat
from worlds import endpoint_slice, fixture, load, policy, service

DOCS = Path(__file__).parents[2] / "docs" / "output.md"
LACKS, HAS = "a conntrack dump of the node that did the NAT", SOURCE_RECORDED


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_words(reason: Reason) -> None:
    assert f"| `{reason.label}` | {REASONS[reason]} |" in DOCS.read_text("utf-8")


@pytest.mark.parametrize("note", [note for note in Note if note])
def test_every_note_has_words(note: Note) -> None:
    assert f"| `{note.labels[0]}` | {NOTES[note]} |" in DOCS.read_text("utf-8")


def test_every_nat_doubt_says_what_settles_it() -> None:
    nat = {Reason.SOURCE_NAT, Reason.SERVICE_NAT_ORDER, Reason.POSSIBLE_NODE_GATEWAY}
    assert nat <= SETTLES.keys()


# --- what was given is not asked for (A15.13) -----------------------------------------------------

BLOCK = policy("x", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 8.8.8.0/24}}]}]}")
#: A client from outside at a port of node n1, which put in an address that nobody names.
ENTRY = (
    "tcp 6 9 ESTABLISHED src=8.8.8.8 dst=192.168.0.1 sport=40000 dport=30080 "
    "src=10.0.0.2 dst=192.168.0.9 sport=8080 dport=40000 [ASSURED] mark=0 use=1\n"
)


def engine() -> Any:
    port = {"port": 80, "targetPort": 8080, "nodePort": 30080, "protocol": "TCP"}
    behind = service("x/svc-b", "10.96.0.20", port, selector={"pod": "b"}, type="NodePort")
    ends = endpoint_slice(
        "x/svc-b", "s", [{"port": 8080, "protocol": "TCP"}], {"addresses": ["10.0.0.2"]}
    )
    return netpol.compile(*load([BLOCK], fixture(behind, ends)))


def summary(tmp_path: Path, *texts: str, **options: Any) -> ReplaySummary:
    files = []
    for number, text in enumerate(texts):
        files.append(tmp_path / f"{number}.{'csv' if text.startswith('src') else 'txt'}")
        files[-1].write_text(text, encoding="utf-8")
    return replay(engine(), open_flows([str(file) for file in files]), **options)


TABLE = "src,dst,protocol,port\n8.8.8.8,192.168.0.2,tcp,30080\n"
SEEN = "src,dst,protocol,port,src_seen\n8.8.8.8,10.0.0.2,tcp,8080,192.168.0.9\n"
PARTLY = SEEN + "8.8.8.8,192.168.0.2,tcp,30080,\n"


class Keep:
    """A writer, so that conntrack text is read as batches, too."""

    def write(self, verdicts: Any) -> None:
        pass


@pytest.mark.parametrize("writers", [(), (Keep(),)])
@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ((TABLE,), SourceNat(0, 1)),
        ((ENTRY,), SourceNat(1, 0)),
        ((ENTRY, TABLE), SourceNat(1, 1)),
        ((SEEN,), SourceNat(1, 0)),
        ((PARTLY,), SourceNat(1, 1)),
    ],
)
def test_advice_fits_what_was_given(
    tmp_path: Path, texts: tuple[str, ...], found: SourceNat, writers: tuple[Any, ...]
) -> None:
    for jobs in (1, 2):
        done = summary(tmp_path, *texts, writers=writers, jobs=jobs)
        assert done.by_reason(Verdict.UNKNOWN).keys() == {Reason.SOURCE_NAT}
        assert done.source_nat == found
    advice = settled_by(Reason.SOURCE_NAT, found) or ""
    assert (LACKS in advice) is (found.unrecorded > 0)
    assert (HAS in advice) is (found.recorded > 0)
    (reason,) = document(done)["verdicts"]["unknown"]["reasons"]
    assert reason["settled_by"] == advice
    section = evidence(
        done.reader, unknown=done.by_reason(Verdict.UNKNOWN), source_nat=done.source_nat
    )
    assert advice in json.dumps([table.rows for table in section.tables])
    with (tmp_path / "text").open("w") as target:
        text = " ".join(render(done, target).split())
    assert advice in text


def test_a_record_that_stands_for_many_flows_counts_as_many(tmp_path: Path) -> None:
    many = "src,dst,protocol,port,flows\n8.8.8.8,192.168.0.2,tcp,30080,7\n"
    assert summary(tmp_path, many).source_nat == SourceNat(0, 7)


def test_one_flow_is_advised_as_its_record_is() -> None:
    one = Flow(src="8.8.8.8", dst="10.0.0.2", protocol=6, dport=8080)
    assert settled_by(Reason.SOURCE_NAT, SourceNat.of(one)) == LACKS
    seen = Flow(src="8.8.8.8", dst="10.0.0.2", protocol=6, dport=8080, src_seen="192.168.0.9")
    assert settled_by(Reason.SOURCE_NAT, SourceNat.of(seen)) == HAS


def test_a_row_explained_keeps_what_its_record_proves() -> None:
    columns = {
        "src": ["8.8.8.8", "8.8.8.8"], "dst": ["10.0.0.2"] * 2, "protocol": [6, 6],
        "dport": [8080, 8080], "src_seen": ["192.168.0.1", None],
        "evidence": np.array([Evidence.INGRESS_SEEN, 0], np.uint8),
    }  # fmt: skip
    verdicts = engine().evaluate(columns)
    first, second = verdicts.flow(0), verdicts.flow(1)
    assert (first.src_seen, first.evidence) == ("192.168.0.1", Evidence.INGRESS_SEEN)
    assert (second.src_seen, second.evidence) == (None, Evidence.NONE)
    assert verdicts.explain(0).splitlines()[1] == "allow: own-node"
