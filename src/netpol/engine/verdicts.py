"""Takes what the core wrote for a batch, gives verdicts: NumPy columns, Arrow table, words."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from netpol.compiler.layout import (
    NO_REASON,
    ORDER_NOTE,
    OWN_NODE_DENIED,
    RULE_ALLOWS,
    TIED,
    VERDICT_MASK,
)
from netpol.model.batch import NO_ICMP, NO_TIME, PROTOCOL_NAMES, UNKNOWN_PROTOCOL, FlowBatch
from netpol.model.errors import MissingExtraError
from netpol.model.evidence import Evidence
from netpol.model.flow import Flow
from netpol.model.notebook import ROWS, notebook_html
from netpol.model.verdict import Note, Reason, Side, Verdict

if TYPE_CHECKING:
    import pyarrow as pa

    from netpol.engine.engine import Engine

__all__ = ["Verdicts", "results_for"]

U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]
_ORDER_NOTE = np.uint8(ORDER_NOTE)  # so that its complement is one of uint8
#: What an allowed flow's reason is taken from first: a rule or exemption says more than that
#: nothing filters the protocol, and that more than that nothing isolates the pod.
_PRECEDENCE = np.zeros(256, np.uint8)
_PRECEDENCE[[Reason.DEFAULT_ALLOW, Reason.NOT_ISOLATED, NO_REASON]] = 1, 2, 3
_PORT_PROTOCOLS = (6, 17, 132)
_PROTOCOL_NOTES = np.full(256, Note.UNSPECIFIED_PROTOCOL, np.uint16)
_PROTOCOL_NOTES[[*_PORT_PROTOCOLS, UNKNOWN_PROTOCOL]] = 0
_ICMP_ERRORS, _ICMPV6_ERRORS = (3, 4, 5, 11, 12), (1, 2, 3, 4)  # R18


class Verdicts:
    """Verdicts of one batch, one row per flow, in the batch's order.

    Attributes
    ----------
    verdict : uint8[n], ``Verdict`` codes.
    egress, ingress : uint32[n], decision ids of each side; index ``engine.decisions``.
    src_endpoint, dst_endpoint : uint32[n], endpoint ids; index ``engine.endpoints``. For a record
        of a reply they are those of the flow it answers: source is who opened it.
    batch : the flows judged.
    """

    def __init__(
        self,
        engine: Engine,
        batch: FlowBatch,
        opened: dict[str, Any],
        storage: dict[str, npt.NDArray[Any]],
        filling: dict[str, object] | None = None,
    ) -> None:
        self.filling = {} if filling is None else filling  # by whom ``storage`` is, if anybody
        self.engine = engine
        self.batch = batch
        self.storage = storage
        self.opened = opened
        self.verdict: U8 = storage["verdict"]
        self.egress: U32 = storage["egress"]
        self.ingress: U32 = storage["ingress"]
        self.src_endpoint: U32 = storage["src_endpoint"]
        self.dst_endpoint: U32 = storage["dst_endpoint"]

    def __len__(self) -> int:
        return len(self.verdict)

    def __repr__(self) -> str:
        words = ", ".join(f"{count} {name}" for name, count in self.counts().items())
        return f"<netpol.Verdicts: {len(self)} flows: {words}>"

    def counts(self) -> dict[str, int]:
        """Return how many rows have each verdict; rows are not weighted here."""
        found = np.bincount(self.verdict, minlength=len(Verdict))
        return {verdict.label: int(found[verdict]) for verdict in Verdict}

    def take(self, rows: npt.NDArray[np.int64], batch: FlowBatch) -> Verdicts:
        """Return the verdicts at ``rows``, int64[m]; ``batch`` holds the flows at the same rows."""
        opened = {
            name: None if column is None else column[rows] for name, column in self.opened.items()
        }
        storage = {name: column[rows] for name, column in self.storage.items()}
        return Verdicts(self.engine, batch, opened, storage)

    # --- columns -----------------------------------------------------------------------------

    @cached_property
    def _decided(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Decision ids of both sides as NumPy indexes by: else it converts them at each lookup."""
        return self.egress.astype(np.intp), self.ingress.astype(np.intp)

    @property
    def _decision_info(self) -> U8:
        return np.asarray(self.engine.tables.arrays["decision_info"])

    @cached_property
    def side(self) -> U8:
        """uint8[n], ``Side``: who decided (specification.md C3.2)."""
        info = self._decision_info
        egress, ingress = (info[ids] for ids in self._decided)
        allow = self.verdict == Verdict.ALLOW
        by_egress = np.where(allow, egress & RULE_ALLOWS, (egress & VERDICT_MASK) == self.verdict)
        by_ingress = np.where(
            allow, ingress & RULE_ALLOWS, (ingress & VERDICT_MASK) == self.verdict
        )
        sides = (by_egress != 0) * Side.EGRESS + (by_ingress != 0) * Side.INGRESS
        return np.asarray(sides, np.uint8)

    @cached_property
    def reason(self) -> U8:
        """uint8[n], ``Reason``: that of the side that decides, or of the whole flow (C3)."""
        reasons = self.engine.decision_reasons
        info = self._decision_info
        egress, ingress = (reasons[ids] for ids in self._decided)
        pick_egress = np.where(
            self.verdict == Verdict.ALLOW,
            _PRECEDENCE[egress] <= _PRECEDENCE[ingress],
            (info[self._decided[0]] & VERDICT_MASK) == self.verdict,
        )
        result = np.where(pick_egress, egress, ingress)
        result[result == NO_REASON] = Reason.NO_POD_ENDPOINT  # neither side is a pod (A9.4)
        special = self.storage["special"] & ~_ORDER_NOTE
        return np.asarray(np.where(special != 0, special - 1, result), np.uint8)

    def reasons_at(self, rows: npt.NDArray[np.int64]) -> U8:
        """Return the reasons at ``rows``, int64[m], without working out those of all others."""
        storage = {name: column[rows] for name, column in self.storage.items()}
        return Verdicts(self.engine, self.batch, {}, storage).reason

    @cached_property
    def notes(self) -> npt.NDArray[np.uint16]:
        """uint16[n], ``Note`` bits: what lowers confidence without changing the verdict."""
        notes = self.engine.notes(self.opened, self.storage)
        protocol = self.opened["protocol"]
        notes |= _PROTOCOL_NOTES[protocol]
        kind = self.opened.get("icmp_type")
        if kind is not None:
            error = (protocol == 1) & np.isin(kind, _ICMP_ERRORS)
            error |= (protocol == 58) & np.isin(kind, _ICMPV6_ERRORS)
            notes[error] |= np.uint16(Note.RELATED_ICMP)
        info = self.engine.tables.arrays["decision_info"]
        if (info & TIED).any():
            tied = ((info[self.egress] | info[self.ingress]) & TIED) != 0
            notes[tied] |= np.uint16(Note.AMBIGUOUS_PRIORITY)
        if (info & OWN_NODE_DENIED).any():
            notes[(info[self.egress] & OWN_NODE_DENIED) != 0] |= np.uint16(Note.OWN_NODE_EGRESS)
        ordered = (self.storage["special"] & _ORDER_NOTE) != 0
        notes[ordered] |= np.uint16(Note.SERVICE_NAT_ORDER)
        time = self.opened.get("time")
        if time is not None:
            old = (time != NO_TIME) & (time < self.engine.tables.meta["newest"])
            notes[old] |= np.uint16(Note.SNAPSHOT_AGE)
        return notes

    # --- tables ------------------------------------------------------------------------------

    def to_arrow(self, *, encode_addresses: bool = False) -> pa.Table:
        """Return one row per flow; docs/output.md describes the columns.

        Verdicts, reasons, policies and identities are dictionary columns whose dictionaries belong
        to the engine, so they cost 4 bytes a row and are the same in every batch.

        Parameters
        ----------
        encode_addresses : bool
            Give addresses as dictionary columns, too: of those that occur.
        """
        import pyarrow as pa

        from netpol.flows.columns.addresses import encode_addresses as encoded
        from netpol.flows.columns.addresses import format_addresses

        addresses = encoded if encode_addresses else format_addresses
        batch = self.batch
        words = self.engine_words
        known = self._port_known()
        egress, ingress = self._decided
        return pa.table(
            {
                "src": addresses(batch.src),
                "dst": addresses(batch.dst),
                "protocol": _codes(pa, batch.protocol, words["protocol"]),
                "port": pa.array(batch.dport, pa.uint16(), mask=~known),
                "verdict": _codes(pa, self.verdict, words["verdict"]),
                "side": _codes(pa, self.side, words["side"]),
                "egress_verdict": _codes(pa, words["decision_verdict"][egress], words["verdict"]),
                "ingress_verdict": _codes(pa, words["decision_verdict"][ingress], words["verdict"]),
                "egress_policy": _codes(pa, words["decision_policy"][egress], words["policy"]),
                "egress_rule": _rules(pa, words["decision_rule"][egress]),
                "ingress_policy": _codes(pa, words["decision_policy"][ingress], words["policy"]),
                "ingress_rule": _rules(pa, words["decision_rule"][ingress]),
                "reason": _codes(pa, self.reason, words["reason"]),
                "notes": _notes(pa, self.notes),
                "src_identity": self._identity(pa, self.src_endpoint, batch.src_pod),
                "dst_identity": self._identity(pa, self.dst_endpoint, batch.dst_pod),
                "recorded_verdict": self._recorded(pa, words["verdict"]),
            }
        )

    def to_pandas(self) -> Any:
        """Return what ``to_arrow`` gives as a ``pandas.DataFrame``.

        Raises ``MissingExtraError``.
        """
        try:
            import pandas  # noqa: F401
        except ImportError:
            raise MissingExtraError("to_pandas", "pandas", "pandas") from None
        return _distinct_words(self.to_arrow()).to_pandas()

    def to_polars(self) -> Any:
        """Return what ``to_arrow`` gives as a ``polars.DataFrame``.

        Raises ``MissingExtraError``.
        """
        try:
            import polars
        except ImportError:
            raise MissingExtraError("to_polars", "polars", "polars") from None
        return polars.from_arrow(_distinct_words(self.to_arrow()))

    def _repr_html_(self) -> str:
        """Return the counts and the first rows, for a notebook."""
        first = self.batch.take(np.arange(min(len(self), ROWS)))
        table = self.engine.evaluate(first).to_arrow()
        return notebook_html(
            f"{len(self):,} flows",
            self.counts(),
            table.column_names,
            zip(*(column.to_pylist() for column in table.columns), strict=True),
            len(self),
        )

    @property
    def engine_words(self) -> dict[str, Any]:
        """Dictionaries and decision -> code maps, computed once per engine."""
        cached = self.engine.__dict__.get("_words")
        if cached is None:
            cached = self.engine.__dict__["_words"] = _words(self.engine)
        return dict(cached)

    def _recorded(self, pa: Any, words: Any) -> Any:
        """Return what the log says the network did, null where it does not say."""
        recorded = self.batch.recorded_verdict
        if recorded is None:
            return pa.DictionaryArray.from_arrays(pa.nulls(len(self), pa.int32()), words)
        return _codes(pa, np.where(recorded == Verdict.UNKNOWN, np.int32(-1), recorded), words)

    def _port_known(self) -> npt.NDArray[np.bool_]:
        has_port = np.isin(self.batch.protocol, (*_PORT_PROTOCOLS, 33, 136, UNKNOWN_PROTOCOL))
        if self.batch.dport_known is not None:
            has_port &= self.batch.dport_known
        return has_port

    def _identity(self, pa: Any, endpoints: U32, hints: Any) -> Any:
        turned = self.batch.is_reply
        if turned is not None and turned.any():
            other = self.dst_endpoint if endpoints is self.src_endpoint else self.src_endpoint
            endpoints = np.where(turned, other, endpoints)
        labels = self.engine_words["endpoint"]
        column = pa.DictionaryArray.from_arrays(
            pa.array(endpoints.astype(np.int32)), labels, safe=False
        )
        if hints is None:
            return column
        names = hints.to_pylist() if hasattr(hints, "to_pylist") else list(hints)
        plain = column.to_pylist()
        known = self.engine._pod_ids
        return pa.array(
            [name if name in known else own for name, own in zip(names, plain, strict=True)]
        ).dictionary_encode()

    # --- one flow ----------------------------------------------------------------------------

    def flow(self, index: int) -> Flow:
        """Return one row as a ``Flow``."""
        batch = self.batch
        row = range(len(self))[index]

        def value(name: str, absent: int | None = None) -> int | None:
            column = getattr(batch, name)
            found = None if column is None else int(column[row])
            return None if found == absent else found

        known = batch.dport_known is None or bool(batch.dport_known[row])
        sent = batch.sport_known is None or bool(batch.sport_known[row])
        return Flow(
            src=_address(batch.src, row) or "",
            dst=_address(batch.dst, row) or "",
            protocol=value("protocol", UNKNOWN_PROTOCOL),
            dport=value("dport") if known else None,
            sport=value("sport") if sent else None,
            icmp_type=value("icmp_type", NO_ICMP),
            icmp_code=value("icmp_code", NO_ICMP),
            time=value("time", int(NO_TIME)),
            original_dst=_address(batch.original_dst, row),
            original_dport=value("original_dport"),
            src_seen=_recorded_address(batch.src_seen, row),
            evidence=Evidence(value("evidence") or 0),
            is_reply=batch.is_reply is not None and bool(batch.is_reply[row]),
            src_pod=None if batch.src_pod is None else _item(batch.src_pod, row),
            dst_pod=None if batch.dst_pod is None else _item(batch.dst_pod, row),
        )

    def explain(self, index: int) -> str:
        """Tell step by step why one flow is judged so, and what would flip it.

        An engine compiled in this process tells the whole story; one that was loaded or unpickled
        has only its tables, and tells verdict, reason, policy and rule of each side.
        """
        if self.engine.source is not None:
            from netpol.explain.explain import explained
            from netpol.reference import ReferenceEvaluator

            return explained(ReferenceEvaluator(*self.engine.source), self.flow(index))
        row = range(len(self))[index]
        verdict, reason = Verdict(int(self.verdict[row])), Reason(int(self.reason[row]))
        lines = [f"{verdict.label}: {reason.label}"]
        for name, decisions in (("egress", self.egress), ("ingress", self.ingress)):
            decision = self.engine.decisions[int(decisions[row])]
            if decision.reason is None:
                lines.append(f"  {name}: not a pod")
                continue
            rule = "" if decision.rule is None else f", rule {decision.rule}"
            by = f", {decision.policy}{rule}" if decision.policy else ""
            lines.append(f"  {name}: {decision.verdict.label}, {decision.reason.label}{by}")
        return "\n".join(lines)


def _item(names: Any, row: int) -> str | None:
    found = names[row]
    found = found.as_py() if hasattr(found, "as_py") else found
    return str(found) if found else None


def _address(column: Any, row: int) -> str | None:
    if column is None:
        return None
    from netpol.flows.columns.addresses import format_addresses

    return str(format_addresses(column[row : row + 1])[0].as_py())


def _recorded_address(column: Any, row: int) -> str | None:
    """Return an address of a column in which all zeros are one that is not recorded."""
    return None if column is None or not column[row].any() else _address(column, row)


def _words(engine: Engine) -> dict[str, Any]:
    import pyarrow as pa

    decisions = engine.decisions
    numbers = [PROTOCOL_NAMES.get(number, str(number)) for number in range(256)]
    return {
        "verdict": pa.array([item.label for item in Verdict]),
        "side": pa.array([item.label for item in Side]),
        "reason": pa.array([item.label for item in Reason]),
        "protocol": pa.array([*numbers[:UNKNOWN_PROTOCOL], "unknown"]),
        "policy": pa.array([item.label for item in engine.policies], pa.string()),
        "endpoint": pa.array(engine.endpoints.labels, pa.string()),
        # Id 0, "not a pod", has no verdict: -1 becomes null.
        "decision_verdict": np.array(
            [-1 if item.reason is None else item.verdict for item in decisions], np.int32
        ),
        "decision_policy": np.array(
            [-1 if item.policy_index is None else item.policy_index for item in decisions],
            np.int32,
        ),
        "decision_rule": np.array(
            [-1 if item.rule is None else item.rule for item in decisions], np.int32
        ),
    }


def _codes(pa: Any, codes: npt.NDArray[Any], words: Any) -> Any:
    indexes = codes.astype(np.int32, copy=False)
    mask = None
    if codes.dtype == np.int32:  # only these may be -1
        missing = indexes < 0
        mask = missing if missing.any() else None
    return pa.DictionaryArray.from_arrays(pa.array(indexes, mask=mask), words, safe=False)


def _distinct_words(table: pa.Table) -> pa.Table:
    """Return the table with no word twice in a dictionary, as data frames want them.

    Several addresses may be called the same, and each has its word.
    """
    for place, name in enumerate(table.column_names):
        column = table.column(place)
        if hasattr(column.type, "value_type"):
            plain = column.cast(column.type.value_type).dictionary_encode()
            table = table.set_column(place, name, plain)
    return table


def _rules(pa: Any, rules: npt.NDArray[np.int32]) -> Any:
    return pa.array(rules, pa.int32(), mask=rules < 0)


def _notes(pa: Any, notes: npt.NDArray[np.uint16]) -> Any:
    """Return notes as text, joined by spaces; the few distinct combinations are the dictionary."""
    distinct, inverse = np.unique(notes, return_inverse=True)
    words = pa.array([" ".join(Note(int(bits)).labels) for bits in distinct], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(inverse.astype(np.int32)), words)


_RESULTS = {
    "verdict": np.uint8, "special": np.uint8, "egress": np.uint32, "ingress": np.uint32,
    "src_endpoint": np.uint32, "dst_endpoint": np.uint32,
}  # fmt: skip


def results_for(
    count: int, out: Verdicts | None
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, object]]:
    """Return arrays for the results of so many flows, those of ``out`` if there is room in them.

    Two threads that filled the same arrays would take each other's endpoints for their own: what is
    given beside them is to be emptied when they are filled, and until then nobody else gets them.

    Raises
    ------
    TypeError
        ``out`` is no ``Verdicts``.
    RuntimeError
        Another thread is filling the arrays of ``out``.
    """
    if out is not None and not isinstance(out, Verdicts):
        raise TypeError(f"out: {type(out).__name__} is no Verdicts")
    if out is None or len(out.storage["verdict"]) < count:
        return {name: np.empty(count, dtype) for name, dtype in _RESULTS.items()}, {}
    mine = object()
    if out.filling.setdefault("by", mine) is not mine:
        raise RuntimeError("out: another thread is writing to these verdicts")
    return {name: array[:count] for name, array in out.storage.items()}, out.filling
