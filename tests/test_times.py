"""Times: one parser for objects and logs; what is no time is an error where it is read (A13.4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import netpol
from cli_support import failure, run
from netpol.flows.columns.cells import times
from netpol.kube.api.times import NOT_A_TIME, parse_time
from netpol.kube.policies import policies_from_objects
from netpol.kube.snapshot import snapshot_from_objects
from netpol.model.errors import ManifestError, SnapshotError
from netpol.model.flow import Flow
from netpol.model.times import nanoseconds
from netpol.model.verdict import Verdict
from netpol.reference import ReferenceEvaluator
from worlds import namespace, node, pod, policy

TEN = 1_772_359_200_000_000_000  # 2026-03-01T10:00:00Z
WIDEST = 1 << 63


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T10:00:00Z", TEN),
        ("2026-03-01T12:00:00+02:00", TEN),
        ("2026-03-01T04:30:00-05:30", TEN),
        ("2026-03-01T10:00:00.1Z", TEN + 100_000_000),
        ("2026-03-01T10:00:00.123456789Z", TEN + 123_456_789),
        ("2026-03-01T10:00:00.1234567899Z", TEN + 123_456_789),  # cut off, not rounded
        ("2026-03-01T10:00:00,5Z", TEN + 500_000_000),  # as Go reads it
        ("1970-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59.5Z", -500_000_000),
        ("2024-02-29T00:00:00Z", 1_709_164_800_000_000_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000_000),
        ("9999-12-31T23:59:59Z", 253_402_300_799_000_000_000),
    ],
)
def test_rfc_3339(text: str, expected: int) -> None:
    assert nanoseconds(text) == expected
    assert parse_time(text) == max(1 - WIDEST, min(expected, WIDEST - 1))


NO_TIMES = [
    "",
    "soon",
    "2026-03-01",
    "2026-03-01T10:00:00",
    "2026-03-01T10:00Z",
    "2026-03-01 10:00:00Z",
    "2026-03-01t10:00:00z",
    "2026-03-01T10:00:00 Z",
    " 2026-03-01T10:00:00Z",
    "2026-03-01T10:00:00Z\n",
    "2026-03-01T10:00:00+0200",
    "2026-03-01T10:00:00+02",
    "2026-03-01T10:00:00+24:00",
    "2026-03-01T10:00:00+01:60",
    "2026-03-01T24:00:00Z",
    "2026-03-01T10:60:00Z",
    "2026-03-01T10:00:60Z",
    "2026-03-01T10:00:00.Z",
    "2026-02-29T10:00:00Z",
    "2026-13-01T10:00:00Z",
    "0000-01-01T00:00:00Z",
    "26-03-01T10:00:00Z",
    "20260301T100000Z",
    "2026-W09-7T10:00:00Z",
    "1772359200",
    "٢٠٢٦-03-01T10:00:00Z",
]


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time(text: str) -> None:
    assert nanoseconds(text) is None
    assert parse_time(text) is None


ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@settings(deadline=None)
@given(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1), timezones=ZONES), st.integers(0, 9))
@example(datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 9)
def test_logs_and_objects_read_a_time_alike(moment: datetime, digits: int) -> None:
    zone = moment.strftime("%z")
    zone = "Z" if moment.tzinfo is UTC else f"{zone[:3]}:{zone[3:5]}"
    fraction = f".{moment.microsecond:06d}789"[: digits + 1] if digits else ""
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + zone
    expected = nanoseconds(text)
    assert expected is not None
    since = moment.replace(microsecond=0) - datetime(1970, 1, 1, tzinfo=UTC)
    exact = (since.days * 86_400 + since.seconds) * 10**9
    assert expected == exact + int((fraction[1:] or "0").ljust(9, "0"))
    for written in (text, text.lower(), text.replace("T", " ")):
        assert times(pa.array([written])).values.tolist() == [expected]


#: What logs may write otherwise: a blank, another form of the zone, a number.
OF_LOGS = {
    "2026-03-01 10:00:00Z",
    "2026-03-01t10:00:00z",
    "2026-03-01T10:00:00 Z",
    " 2026-03-01T10:00:00Z",
    "2026-03-01T10:00:00Z\n",
    "2026-03-01T10:00:00+0200",
    "2026-03-01T10:00:00+02",
    "1772359200",
}


@pytest.mark.parametrize("text", [text for text in NO_TIMES if text])
def test_logs_and_objects_refuse_alike(text: str) -> None:
    assert bool(times(pa.array([text])).bad[0]) is (text not in OF_LOGS)


# --- in objects ----------------------------------------------------------------------------------

BAD = "2026-03-01T10:00:00"  # no zone
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: a
  namespace: x
  creationTimestamp: {created}
spec: {{nodeName: n1, containers: [{{name: c}}]}}
status:
  phase: Failed
  podIP: 10.0.0.1
  startTime: {started}
  containerStatuses:
    - state:
        terminated:
          finishedAt: {finished}
"""
GOOD = {"created": '"2026-03-01T10:00:00Z"', "started": "null", "finished": "null"}
FIELDS = {
    "created": "6: metadata.creationTimestamp",
    "started": "11: status.startTime",
    "finished": "15: status.containerStatuses[0].state.terminated.finishedAt",
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("text", [BAD, "2026-03-01", "", "soon"])
def test_a_time_of_a_pod_that_is_none(field: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(POD.format(**GOOD | {field: f'"{text}"'}))
    with pytest.raises(SnapshotError) as caught:
        netpol.read_snapshot(path)
    assert str(caught.value) == f"{path}:{FIELDS[field]}: Pod a: {text!r} {NOT_A_TIME}"


@pytest.mark.parametrize("kind", ["Namespace", "Node", "Service", "EndpointSlice"])
@pytest.mark.parametrize("field", ["creationTimestamp", "deletionTimestamp"])
def test_a_time_of_any_object_that_is_none(kind: str, field: str) -> None:
    version = "discovery.k8s.io/v1" if kind == "EndpointSlice" else "v1"
    item = {"apiVersion": version, "kind": kind, "metadata": {"name": "a", field: BAD}}
    item |= {"addressType": "IPv4", "endpoints": []} if kind == "EndpointSlice" else {}
    with pytest.raises(SnapshotError, match=rf"metadata\.{field}: {kind} a: '{BAD}' is not an RFC"):
        snapshot_from_objects([item, pod("x/a", "10.0.0.1")])


@pytest.mark.parametrize("field", ["creationTimestamp", "deletionTimestamp"])
def test_a_time_of_a_policy_that_is_none(field: str, tmp_path: Path) -> None:
    item = policy("x", {"podSelector": {}})
    item["metadata"][field] = BAD
    with pytest.raises(ManifestError, match=rf"metadata\.{field}: .* is not an RFC 3339 time"):
        policies_from_objects([item])
    path = tmp_path / "policy.json"
    path.write_bytes(msgspec.json.encode(item))
    found = run("check", str(path))
    assert found.exit_code == 2
    assert f"metadata.{field}" in found.stdout


def test_the_command_line_says_where(tmp_path: Path) -> None:
    path = tmp_path / "pod.yaml"
    path.write_text(POD.format(**GOOD | {"started": BAD}))
    rule = tmp_path / "policy.json"
    rule.write_bytes(msgspec.json.encode(policy("x", {"podSelector": {}})))
    words = ["explain", "x/a", "10.0.0.9", "80", "-c", str(path), "-p", str(rule)]
    assert f"pod.yaml:11: status.startTime: Pod a: '{BAD}'" in failure(run(*words))
    path.write_text(POD.format(**GOOD))
    assert NOT_A_TIME in failure(run(*words, "--time", "2026-03-01"))


# --- both evaluators -----------------------------------------------------------------------------

STARTS = [
    None,
    "2026-03-01T10:00:00Z",
    "2026-03-01T12:00:00+02:00",
    "2026-03-01T10:00:00.000000001Z",
    "2026-03-01T09:59:59.9999999999Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    # Nothing that can be read from a file, but who builds objects by hand may have them.
    BAD,
    "2026-03-01",
    "",
    "soon",
]


@pytest.mark.parametrize("started", STARTS)
@pytest.mark.parametrize("created", STARTS)
def test_both_evaluators_read_a_start_alike(started: str | None, created: str | None) -> None:
    """A13.4: since when a pod owns its address, to the nanosecond."""
    objects: list[Any] = [
        namespace("x"),
        node("n1"),
        pod("x/a", "10.0.0.1"),
        pod("x/b", "10.0.0.2"),
    ]
    snapshot = snapshot_from_objects(objects)
    target = snapshot.pods[0]
    assert target.status is not None
    changed = msgspec.structs.replace(
        target,
        metadata=msgspec.structs.replace(target.metadata, creation_timestamp=created),
        status=msgspec.structs.replace(target.status, start_time=started),
    )
    snapshot = replace(snapshot, pods=(changed, *snapshot.pods[1:]))
    policies = policies_from_objects([policy("x", {"podSelector": {}, "policyTypes": ["Ingress"]})])
    flows = [
        Flow(src="10.0.0.2", dst="10.0.0.1", protocol=6, dport=80, time=time)
        for time in (0, 1, TEN - 1, TEN, TEN + 1, TEN + 2 * 3600 * 10**9, (1 << 62) + 1)
    ]
    reference = ReferenceEvaluator(policies, snapshot)
    expected = [reference.judge(flow).verdict for flow in flows]
    judged = netpol.compile(policies, snapshot).evaluate(flows).verdict.tolist()
    assert [Verdict(code) for code in judged] == expected
