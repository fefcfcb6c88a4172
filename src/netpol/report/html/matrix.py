"""Takes a ``Matrix`` and exposures, gives the sections of their page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from netpol.questions.allpairs.pairclasses import EXTERNAL
from netpol.questions.reach.exposure import Exposure
from netpol.questions.reach.matrix import NODES, Matrix, Reach
from netpol.questions.reach.matrix import Cell as ReachCell
from netpol.report.html.sections import Cell, Column, ReachMap, Section, Table
from netpol.report.html.sections import Reach as Sign
from netpol.report.html.top import top
from netpol.report.text.exhaustive import ports_text
from netpol.report.words.layout import plural
from netpol.report.words.networks import networks_text, party_text
from netpol.report.words.wording import count

__all__ = ["headline", "sections"]

#: Names of a side of the picture; beyond, workloads are drawn by namespace.
_NAMES = 60
_ROWS = 2000
_EXPOSED = 1000
_ALLOW, _DENY, _UNKNOWN = 1, 2, 4
_INTRO = "Who reaches whom on which ports, and how many pairs of their addresses these are."


def headline(matrix: Matrix) -> str:
    """Say what was asked of whom."""
    left_out = f", {plural(matrix.left_out, 'pod')} without an address" if matrix.left_out else ""
    return (
        f"{plural(matrix.pairs, 'pair')} of addresses, by {matrix.by} "
        f"({plural(matrix.parties, 'party', 'parties')}{left_out})"
    )


def sections(
    matrix: Matrix,
    exposures: Sequence[Exposure],
    *,
    whole: Matrix | None = None,
    denied: bool = False,
) -> tuple[Section, ...]:
    """Return the picture, what it is of, and what strangers may reach.

    Parameters
    ----------
    matrix : Matrix
        What was asked for.
    exposures : sequence of Exposure
        Of every workload.
    whole : Matrix, optional
        The same without asking for a verdict, which a picture needs to tell "all" from "some".
    denied : bool
        List what is denied, too.
    """
    fields = _Fields(_NAMES)
    for reach in (whole or matrix).reaches():
        fields.add(reach)
    return (fields.picture(matrix.by), _table(matrix, denied), _exposed(exposures))


# --- the picture --------------------------------------------------------------------------------


class _Fields:
    """What names reach of each other; a side of more than ``most`` workloads gets namespaces."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._folded = [False, False]
        self._pairs: list[Counter[str]] = [Counter(), Counter()]  # of addresses, by name
        self._verdicts: dict[tuple[str, str], int] = {}  # a bit for each that occurs

    def add(self, reach: Reach) -> None:
        """Add what is said of one pair of names."""
        verdicts = 0
        for cell in reach.cells:
            verdicts |= (cell.allow > 0) * _ALLOW | (cell.deny > 0) * _DENY
            verdicts |= (cell.unknown > 0) * _UNKNOWN
        key = self._name(0, reach.src), self._name(1, reach.dst)
        self._verdicts[key] = self._verdicts.get(key, 0) | verdicts
        for side, name in enumerate(key):
            self._pairs[side][name] += reach.pairs
            if len(self._pairs[side]) > self._most and not self._folded[side]:
                self._fold(side)

    def _name(self, side: int, name: str) -> str:
        if not self._folded[side]:
            return name
        space, slash, _ = name.partition("/")
        return NODES if slash and space == "node" else space

    def _fold(self, side: int) -> None:
        self._folded[side] = True
        verdicts: dict[tuple[str, str], int] = {}
        for (src, dst), bits in self._verdicts.items():
            key = self._name(0, src), self._name(1, dst)
            verdicts[key] = verdicts.get(key, 0) | bits
        self._verdicts = verdicts
        pairs: Counter[str] = Counter()
        for name, number in self._pairs[side].items():
            pairs[self._name(side, name)] += number
        self._pairs[side] = pairs

    def picture(self, by: str) -> ReachMap:
        """Return the names of most pairs, and what they reach."""
        src_names, dst_names = (
            sorted((name for name, _ in pairs.most_common(self._most)), key=_place)
            for pairs in self._pairs
        )
        rows, columns = (
            {name: place for place, name in enumerate(names)} for names in (src_names, dst_names)
        )
        fields = {
            (rows[src], columns[dst]): _sign(bits)
            for (src, dst), bits in self._verdicts.items()
            if src in rows and dst in columns
        }
        intro = " ".join(self._intro(by))
        return ReachMap("Who reaches whom", src_names, dst_names, fields, intro)

    def _intro(self, by: str) -> Iterator[str]:
        yield (
            "Each field says what its row may open connections to in its column. An empty one is "
            "no pair: a pod and itself, or two ends of which neither is a pod."
        )
        if by == "workload" and any(self._folded):
            sides = " and ".join(
                word
                for word, folded in zip(("rows", "columns"), self._folded, strict=True)
                if folded
            )
            yield f"There are more than {self._most} workloads, so {sides} are namespaces."
        for word, pairs in zip(("rows", "columns"), self._pairs, strict=True):
            if len(pairs) > self._most:
                yield f"Left out: {count(len(pairs) - self._most)} {word} of fewest pairs."
        if not all(pairs for pairs in self._pairs):
            yield "There are no pairs."


def _place(name: str) -> tuple[int, str]:
    """Return what to sort names by: workloads, then nodes, then the world outside."""
    if name == EXTERNAL:
        return 2, name
    return (1 if name == NODES or name.startswith("node/") else 0), name


def _sign(verdicts: int) -> Sign:
    if verdicts == _ALLOW:
        return "all"
    if verdicts & _ALLOW:
        return "some"
    return "unknown" if verdicts & _UNKNOWN else "none"


# --- tables -------------------------------------------------------------------------------------


def _table(matrix: Matrix, denied: bool) -> Table:
    silent = [0]

    def said() -> Iterator[tuple[Reach, ReachCell]]:
        for reach in matrix.reaches():
            cells = [cell for cell in reach.cells if denied or cell.allow or cell.unknown]
            silent[0] += not cells
            for cell in cells:
                yield reach, cell

    listed, total = top(said(), _ROWS, lambda item: item[1].allow or item[1].unknown)
    mixed = any(cell.verdict is None for _, cell in listed)
    counts = ("Allowed", "Denied", "Unknown") if mixed else ("Pairs",)
    return Table(
        "On which ports",
        [
            *map(Column, ("From", "To", "Ports")),
            Column("Verdict", "verdict"),
            *(Column(name, "number") for name in counts),
        ],
        [_row(reach, cell, mixed) for reach, cell in listed],
        total=total,
        rest=f"{plural(silent[0], 'pair')} of names with everything denied" if silent[0] else "",
        intro=_INTRO if denied else f"{_INTRO} What is not listed is denied.",
        empty="Everything is denied." if silent[0] else "None.",
    )


def _row(reach: Reach, cell: ReachCell, mixed: bool) -> list[Cell]:
    numbers = [cell.allow, cell.deny, cell.unknown]
    return [
        party_text(reach.src, reach.src_networks),
        party_text(reach.dst, reach.dst_networks),
        ports_text(cell.ports, everything=cell.everything),
        "differs" if cell.verdict is None else cell.verdict.label,
        *(numbers if mixed else [sum(numbers)]),
    ]


def _exposed(exposures: Sequence[Exposure]) -> Table:
    return Table(
        "Exposure",
        [
            Column("Workload"),
            Column("Pods", "number"),
            *map(Column, ("Ports, from outside", "From which addresses", "Ports, from some pod")),
        ],
        [
            [
                one.workload,
                one.pods,
                ports_text(one.external, everything=one.external_everything) or "nothing",
                networks_text(one.networks) if one.external else "",
                ports_text(one.stranger, everything=one.stranger_everything) or "nothing",
            ]
            for one in exposures[:_EXPOSED]
        ],
        total=len(exposures),
        intro="What strangers may reach of each workload, whatever was asked above: any external "
        "address, and pods that are not there yet, with any labels in any namespace.",
    )
