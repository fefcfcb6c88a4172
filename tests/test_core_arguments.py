"""The compiled core refuses what it cannot work with: an exception, never a crash.

Each call is made in a process of its own kind, since a crash of the interpreter is what would fail.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import netpol._core
from drawing import drawn
from process_support import printed_by

CORE = Path(__file__).parent.parent / "src" / "_core"
#: Calls of each module: under sanitizers, with fewer examples, a tenth.
ROUNDS = 4 * drawn(1000)
MODULES = sorted(item.name for item in pkgutil.iter_modules(netpol._core.__path__))

#: Run in a process of its own: every function and class of a module, called in every wrong way.
CALLS = '''
import importlib, inspect, itertools, sys
import numpy as np

name = sys.argv[1]
module = importlib.import_module(f"netpol._core.{name}")
done = 0
FILLS = (None, 0, 1, {}, [], "x", object(), np.zeros(0), np.zeros(3, np.uint32))


def attempt(call, *arguments, **named):
    """Call; whatever it raises is well. MemoryError and the like are Exceptions, too."""
    global done
    done += 1
    print(name, call, file=sys.stderr, flush=True)  # what a crash was in
    try:
        return call(*arguments, **named)
    except Exception:
        return None


def wrongly(call):
    for count in range(9):
        for fill in FILLS:
            attempt(call, *[fill] * count)
    # One None among arguments that fit otherwise is tried in the tests below.


def half_made(kind):
    """Objects of a class that nobody filled, if it can be had at all."""
    yield attempt(kind.__new__, kind)
    yield attempt(object.__new__, kind)
    for base in kind.__mro__[1:-1]:
        yield attempt(base.__new__, kind)

    class Child(kind):
        def __init__(self, *words, **named):
            pass

    yield attempt(Child)
    yield attempt(Child.__new__, Child)
    yield attempt(kind)
    for count in range(1, 9):
        for fill in FILLS:
            yield attempt(kind, *[fill] * count)


for label, value in list(vars(module).items()):
    if label.startswith("__"):
        continue
    if inspect.isclass(value) and value.__module__ == module.__name__:
        wrongly(value)
        for made in half_made(value):
            if made is None:
                continue
            attempt(value.__init__, made)
            for method in dir(value):
                if method.startswith("__") and method not in ("__len__", "__reduce__", "__init__"):
                    continue
                if method in ("__init__",):
                    continue
                bound = attempt(getattr, made, method)
                if callable(bound):
                    for fill in FILLS:
                        for count in range(5):
                            attempt(bound, *[fill] * count)
                    attempt(bound, made)
    elif callable(value) and not inspect.isclass(value) and getattr(
        value, "__module__", None
    ) == module.__name__:
        wrongly(value)
print("done", done)
'''


@pytest.mark.parametrize("module", MODULES)
def test_nothing_of_the_core_crashes(module: str) -> None:
    found = printed_by(CALLS, module)
    assert found[-1].startswith("done ")


#: Run in a process of its own: every function and method of a module with every kind of argument.
ANY_KIND = """
import importlib, inspect, random, sys
import numpy as np
import netpol
from netpol._core import cells, contrast, cover, fused, sums, suspects, tally
from netpol._core.conntrack import Scanner
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.run.sums import HAS_PORTS

name, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
module = importlib.import_module(f"netpol._core.{name}")
dice = random.Random(seed)
engine = netpol.compile(PolicySet(), Snapshot())
verdicts = engine.evaluate({"src": ["10.0.0.1"] * 3, "dst": ["10.0.0.2"] * 3})
decisions, endpoints = engine.tables.arrays["decision_info"].size, len(engine.endpoints)
facts = (np.zeros(decisions, np.uint32), np.zeros(endpoints, np.uint32), np.zeros(256, np.uint16))
DTYPES = (np.uint8, np.uint16, np.uint32, np.uint64, np.int64, np.float64, np.bool_, object, ">u4")
SHAPES = ((0,), (1,), (2,), (3,), (4,), (16,), (256,), (0, 3), (1, 16), (2, 16), (3, 3), (4, 2),
          (3, decisions), (3, 4, 2), ())
FILLS = (0, 1, 2, 3, 255, 1000, -1)
NUMBERS = (0, 1, 2, 3, 4, 16, 64, 254, 255, 256, 65536, -1, -2, (1 << 31) - 1, 1 << 31,
           (1 << 32) - 1, 1 << 40, 1 << 62, (1 << 63) - 1, (1 << 64) - 1, 1 << 64)


class Lies(np.ndarray):
    \"\"\"An array that says it is larger than it is.\"\"\"

    nbytes, size = 1 << 20, 1 << 20

    def max(self, *_, **__):
        return 0

    def reshape(self, *_, **__):
        return np.zeros(1, np.uint8)

    view = reshape


def array():
    made = np.zeros(dice.choice(SHAPES), dice.choice(DTYPES))
    with np.errstate(all="ignore"):
        try:
            made[...] = dice.choice(FILLS)
        except (OverflowError, ValueError):
            pass
    how = dice.randrange(12)
    if how == 0:
        made.setflags(write=False)
    elif how == 1 and made.ndim:
        made = np.repeat(made, 2, axis=0)[::2]
    elif how == 2 and made.dtype != object:
        made = np.ndarray.view(made, Lies)
    elif how == 3:
        made = np.asfortranarray(made)
    return made


def changed(whole):
    \"\"\"A dictionary of columns, some of them others.\"\"\"
    other = dict(whole)
    for _ in range(dice.choice((0, 0, 1, 1, 2))):
        key = dice.choice([*whole])
        other[key] = dice.choice((array, array, lambda: None, lambda: "x"))()
        if dice.randrange(8) == 0:
            del other[key]
    return other


def core_object():
    kind = dice.randrange(9)
    if kind == 0:
        return engine._core
    if kind == 1:
        return tally.Tally(engine._core, *facts, 9, 0, 4)
    if kind == 2:
        return cover.CoverTally(engine._core, *facts, 9, 0, 4)
    if kind == 3:
        marks = np.zeros((3, decisions), np.uint32)
        return contrast.Contrast(engine._core, engine._core, marks, marks)
    if kind == 4:
        scanner = Scanner(dice.choice((1, 4)))
        text = b"tcp 6 9 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 " \\
               b"sport=2 dport=1 use=1\\n"
        scanner.scan(text, 0, len(text), True)
        return scanner
    if kind == 5:
        return sums.Histogram(dice.choice((0, 4, decisions)))
    if kind == 6:
        return sums.Groups(dice.choice((0, 4, 1 << 40)))
    if kind == 7:
        return cells.Pages(dice.choice((4, 64)), 1 << 16)
    return suspects.Suspects()


def argument():
    return dice.choice((
        array, array, array, core_object, core_object,
        lambda: changed(verdicts.opened), lambda: changed(verdicts.storage),
        lambda: changed({k: np.asarray(v) for k, v in engine.tables.arrays.items()}),
        lambda: dice.choice(NUMBERS), lambda: dice.choice(NUMBERS),
        lambda: dice.choice((None, True, 1.5, "x", b"xyz", bytearray(9), [], (), {}, object())),
    ))()


def attempt(call, *arguments, **named):
    try:
        return call(*arguments, **named)
    except Exception:
        return None


def use(made, times=6):
    for _ in range(times):
        method = dice.choice([m for m in dir(made) if not m.startswith("__")] + ["__len__"])
        bound = attempt(getattr, made, method)
        if callable(bound):
            attempt(bound, *[argument() for _ in range(dice.randrange(8))])
        attempt(setattr, made, method, argument())


done = 0
kinds = [v for v in vars(module).values() if inspect.isclass(v) and v.__module__ == module.__name__]
calls = [v for k, v in vars(module).items()
         if callable(v) and not inspect.isclass(v) and not k.startswith("__")]
CORE = (engine._core, verdicts.opened, verdicts.storage)
while done < rounds and (kinds or calls):
    for call in calls:
        # Arguments that fit come first now and then, so that those behind them are looked at.
        given = [argument() for _ in range(dice.randrange(12))]
        if dice.randrange(2):
            given[:4] = [engine._core, dice.choice((1, 3)), changed(verdicts.opened),
                         changed(verdicts.storage)]
        print(call, file=sys.stderr)
        attempt(call, *given)
        done += 1
    for kind in kinds:
        print(kind, file=sys.stderr)
        made = attempt(kind, *[argument() for _ in range(dice.randrange(8))])
        for made in (made, core_object()):
            if made is not None and type(made).__module__.startswith("netpol"):
                use(made)
        done += 1
print("done", done)
"""


@pytest.mark.long
@pytest.mark.parametrize("module", MODULES)
def test_every_kind_of_argument(module: str) -> None:
    for seed in (1, 2):
        found = printed_by(ANY_KIND, module, str(seed), str(ROUNDS))
        assert found[-1].startswith("done ")


#: Each would be read or written outside an array, if it were not refused.
OUTSIDE = """
import numpy as np
import netpol
from netpol._core import cells, evaluate, tally
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot

engine = netpol.compile(PolicySet(), Snapshot())
verdicts = engine.evaluate({"src": ["10.0.0.1"] * 3, "dst": ["10.0.0.2"] * 3})
decisions, endpoints = engine.tables.arrays["decision_info"].size, len(engine.endpoints)
u16, u32 = np.zeros(256, np.uint16), np.zeros(endpoints, np.uint32)
one, none = np.ones((1, 1), np.uint32), np.zeros((1, 1), np.uint32)
pages = np.zeros((1, 16), np.uint16)
far = np.full((1, 1), 1 << 30, np.uint32)
rows, pairs = np.array([[0, 1, 0, 0]], np.uint32), np.zeros(1, np.uint32)
flat = np.zeros(1, np.uint32)


class Lies(np.ndarray):
    nbytes = property(lambda self: 12)
    max = min = lambda self: 0

    def reshape(self, *_):
        return np.zeros(12, np.uint8)

    view = reshape


def packed(rows=rows, pairs=pairs, labels=none, cidrs=none, pages=pages, label=flat, cidr=flat,
           runs=1, index=none):
    cells.pack_rows(cells.Pages(64, 1 << 20), rows, pairs, labels, cidrs, pages, label, cidr, runs,
                    index.copy())


def added(reasons, facts):
    tally.Tally(engine._core, np.full(decisions, facts, np.uint32), u32, u16, reasons, 0, 4)


def judged(**changed):
    evaluate.evaluate(engine._core, 3, {**verdicts.opened, **changed}, dict(verdicts.storage))


def judged_to(**changed):
    evaluate.evaluate(engine._core, 3, dict(verdicts.opened), {**verdicts.storage, **changed})


def sparse(columns):
    values = np.ones(len(columns), np.uint16)
    cells.Pages(64, 1 << 20).put_sparse(np.zeros(2, np.uint32), np.array(columns), values)


packed()
sparse([0, 5, 64])
added(3, 2 << 8)
judged()
CALLS = {
    "columns that go up and down": lambda: sparse([0, 1 << 40, 5]),
    "a column below 0": lambda: sparse([0, -64, 5]),
    "a row behind the pairs": lambda: packed(rows=np.array([[9, 1, 0, 0]], np.uint32)),
    "a row too wide": lambda: packed(rows=np.array([[0, 1, 0, 0]], np.uint32), pages=pages + 9),
    "a pair of no run": lambda: packed(pairs=pairs + 1),
    "a page of labels": lambda: packed(labels=far),
    "a page of CIDRs": lambda: packed(cidrs=far),
    "a label": lambda: packed(label=flat + 16),
    "a CIDR": lambda: packed(cidr=flat + 16),
    "more columns than the index": lambda: packed(label=np.zeros(65, np.uint32),
                                                  cidr=np.zeros(65, np.uint32)),
    "fewer rows of index": lambda: packed(index=np.zeros((0, 1), np.uint32)),
    "a reason there is no sum for": lambda: added(1, 200 << 8),
    "so many reasons that sums wrap": lambda: added(1 << 30, 0),
    "a column that lies": lambda: judged(
        src=np.ndarray.view(np.zeros(1, np.uint32), Lies)),
    "results that lie": lambda: judged_to(
        egress=np.ndarray.view(np.zeros(1, np.uint32), Lies)),
    "results of objects": lambda: judged_to(egress=np.array([None, None, None])[:3]),
    "what is no array": lambda: judged(src=type("X", (), {"nbytes": 12, "ndim": 1})()),
}
for name, call in CALLS.items():
    print(name, flush=True)
    try:
        call()
    except (ValueError, IndexError, TypeError):
        continue
    raise SystemExit(f"{name}: was taken")
print("done")
"""


def test_what_points_outside_is_refused() -> None:
    found = printed_by(OUTSIDE)
    assert found[-1] == "done"


ONE_NONE = """
import numpy as np

import netpol
from netpol._core import cells, cover, evaluate, fused, sums, suspects, tally
from netpol._core.addresses_text import format_v4, format_wide, parse_addresses
from netpol._core.conntrack import Scanner
from netpol._core.contrast import Contrast
from netpol._core.tables import CompiledTables
from netpol.questions.diff.deciders import Deciders
from netpol.model.batch import FlowBatch
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.questions.replay.replay import empty_batch
from netpol.run.sums import HAS_PORTS, Tally

engine = netpol.compile(PolicySet(), Snapshot())
tables = engine._core
verdicts = engine.evaluate({"src": ["10.0.0.1"], "dst": ["10.0.0.2"], "protocol": ["tcp"]})
columns, results = dict(verdicts.opened), dict(verdicts.storage)
u8, u16, u32, u64 = (np.zeros(256, t) for t in (np.uint8, np.uint16, np.uint32, np.uint64))
i64 = np.zeros(2, np.int64)
decisions = engine.tables.arrays["decision_info"].size
endpoints = len(engine.endpoints)
facts = (np.zeros(decisions, np.uint32), np.zeros(endpoints, np.uint32), u16, 9, 0, 4)
marks = np.zeros((3, decisions), np.uint32)
ends = results["src_endpoint"], results["dst_endpoint"]
core = tally.Tally(tables, *facts)
covered = cover.CoverTally(tables, *facts)
both = Contrast(tables, tables, marks, marks)
scanner = Scanner(4)
square = np.zeros((2, 16), np.uint32)
pages16 = np.zeros((1, 16), np.uint16)
store = cells.Pages(64, 1 << 20)

CALLS = {
    "evaluate": (evaluate.evaluate, (tables, 1, columns, results)),
    "notes": (evaluate.notes, (tables, 1, columns, *ends, np.zeros(1, np.uint16))),
    "plain_rows": (evaluate.plain_rows, (tables, 1, columns, *ends)),
    "Tally": (tally.Tally, (tables, *facts)),
    "Tally.merge": (core.merge, (tally.Tally(tables, *facts),)),
    "Tally.add": (core.add, (1, columns, results)),
    "CoverTally": (cover.CoverTally, (tables, *facts)),
    "CoverTally.merge": (covered.merge, (cover.CoverTally(tables, *facts),)),
    "Contrast": (Contrast, (tables, tables, marks, marks)),
    "Contrast.merge": (both.merge, (Contrast(tables, tables, marks, marks),)),
    "Contrast.add": (both.add, (1, results, results)),
    "FusedSums": (fused.FusedSums, (core, HAS_PORTS)),
    "FusedContrast": (fused.FusedContrast, (both, HAS_PORTS, 4)),
    "FusedSums.add": (fused.FusedSums(core, HAS_PORTS).add, (scanner,)),
    "FusedContrast.add": (fused.FusedContrast(both, HAS_PORTS, 4).add, (scanner,)),
    "Scanner.scan": (scanner.scan, (b"x", 0, 1, True)),
    "Histogram.add": (sums.Histogram(4).add, (u32[:1],)),
    "Histogram.merge": (sums.Histogram(4).merge, (sums.Histogram(4),)),
    "Groups.add": (sums.Groups(4).add, (np.zeros((1, 3), np.uint64),)),
    "Groups.places": (sums.Groups(4).places, (np.zeros((1, 3), np.uint64),)),
    "Groups.merge": (sums.Groups(4).merge, (sums.Groups(4),)),
    "Suspects.add": (suspects.Suspects().add, (u8, u16, u16)),
    "Suspects.merge": (suspects.Suspects().merge, (suspects.Suspects(),)),
    "parse_addresses": (
        parse_addresses, (u8, i64, u32[:1], np.zeros((1, 16), np.uint8), u8[:1])
    ),
    "format_v4": (format_v4, (u32[:1], i64, u8)),
    "format_wide": (format_wide, (np.zeros((1, 16), np.uint8), i64, u8)),
    "put_sparse": (store.put_sparse, (u32[:4], i64[:1], u16[:1])),
}
REST = {  # arguments that may be None follow
    "Tally.add": (None, None, None),
    "Contrast.add": (None, None, None),
    "Histogram.add": (None, None, None),
    "Groups.add": (None, None, None),
}

for name, (call, arguments) in CALLS.items():
    rest = REST.get(name, ())
    call(*arguments, *rest)  # which fits
    for place in range(len(arguments)):
        changed = [*arguments]
        changed[place] = None
        if isinstance(arguments[place], (int, bool)):
            continue
        print(name, place, flush=True)
        try:
            call(*changed, *rest)
        except (TypeError, ValueError, AttributeError):
            continue
        raise SystemExit(f"{name}: argument {place} may be None")

for wrong in (columns, results):
    for key in [*wrong]:
        print(key, flush=True)
        kept = wrong[key]
        needed = wrong is results or key in ("src", "dst", "protocol", "dport")
        wrong[key] = None
        try:
            evaluate.evaluate(tables, 1, columns, results)
        except (TypeError, ValueError, AttributeError):
            assert needed, key
        else:
            assert not needed, key
        wrong[key] = kept

for kind in (CompiledTables, tally.Tally, cover.CoverTally, Contrast, fused.FusedSums,
             fused.FusedContrast, Scanner, sums.Histogram, sums.Groups, cells.Pages):
    try:
        kind.__new__(kind)
    except TypeError:
        continue
    raise SystemExit(f"{kind}: can be had unfilled")

# Taking the columns away from a scanner takes nothing from under it.
scanner.columns.clear()
scanner.scan(b"tcp 6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 "
             b"src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 [ASSURED] mark=0 use=1\\n", 0, 130, True)
print("done")
"""


def test_one_argument_that_is_none_is_refused() -> None:
    found = printed_by(ONE_NONE)
    assert found[-1] == "done"


@pytest.mark.parametrize("file", sorted(CORE.glob("*.pyx")), ids=lambda file: file.name)
def test_no_argument_of_the_core_may_be_none_by_omission(file: Path) -> None:
    """Whatever is typed as an array, a dict, text or an object of the core says ``not None``."""
    text = file.read_text(encoding="utf-8")
    for found in re.finditer(r"^ *def (\w+)\((.*?)\):(?: *#[^\n]*)?$", text, re.M | re.S):
        for argument in re.split(r",(?![^\[]*\])", found[2]):
            words = argument.split()
            if len(words) < 2 or "=" in argument:
                continue
            number = words[-2] in ("size_t", "Py_ssize_t", "bint", "int64_t", "uint32_t")
            assert number or argument.rstrip().endswith("not None"), f"{found[1]}: {argument}"


LENGTHS = """
import re

import numpy as np

import netpol
from netpol._core import addresses_text, cells, contrast, cover, evaluate, fused, row_checks, sums
from netpol._core import suspects, tally
from netpol._core.tables import CompiledTables
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.tally import HAS_PORTS

engine = netpol.compile(PolicySet(), Snapshot())
tables, arrays = engine._core, engine.tables.arrays
verdicts = engine.evaluate({"src": ["10.0.0.1"] * 3, "dst": ["10.0.0.2"] * 3})
columns, results = dict(verdicts.opened), dict(verdicts.storage)
decisions, endpoints = arrays["decision_info"].size, len(engine.endpoints)
facts = np.zeros(decisions, np.uint32), np.zeros(endpoints, np.uint32), np.zeros(256, np.uint16)
marks = np.zeros((3, decisions), np.uint32)
listed = engine.tables.meta["decisions"]
u8, u16, u32, u64, i64 = (
    np.zeros(4, kind) for kind in (np.uint8, np.uint16, np.uint32, np.uint64, np.int64)
)
wide = np.zeros((3, 16), np.uint8)
row = {name: np.zeros((1, size), np.uint32) for name, size in
       (("rows", 4), ("labels", 1), ("cidrs", 1), ("index", 1))}
row["pages"] = np.zeros((1, 16), np.uint16)
row["label"] = row["cidr"] = np.zeros(1, np.uint32)


def made(kind, place, changed, *rest):
    arguments = [*facts]
    arguments[place] = changed
    return lambda: kind(tables, *arguments, 9, 0, 4)


def packed(size=64, **changed):
    of = {**row, **changed}
    return lambda: cells.pack_rows(
        cells.Pages(size, 1 << 20), of["rows"], np.zeros(1, np.uint32), of["labels"], of["cidrs"],
        of["pages"], of["label"], of["cidr"], 1, of["index"])


def opened(**changed):
    return CompiledTables(
        {name: array.copy() for name, array in arrays.items()},
        **{"dense": True, "own_columns": engine.tables.meta["own_columns"],
           "own_node": (True, False), "hairpin_exempt": True, "no_policies": True,
           "order_always": False, "node_port_egress": 0, **changed})


CALLS = {
    "offsets: length 0": lambda: addresses_text.parse_addresses(u8, i64[:0], u32, wide, u8),
    "v4: length 4, expected 3": lambda: addresses_text.parse_addresses(u8, i64, u32, wide, u8[:3]),
    "wide: shape (3, 15), expected (3, 16)": lambda: addresses_text.parse_addresses(
        u8, i64, u32[:3], np.zeros((3, 15), np.uint8), u8[:3]),
    "family: length 4, expected 3": lambda: addresses_text.parse_addresses(
        u8, i64, u32[:3], wide, u8),
    "offsets: length 4, expected 5": lambda: addresses_text.format_v4(u32, i64, u8),
    "data: length 4, expected at least 45": lambda: addresses_text.format_v4(u32[:3], i64, u8),
    "data: length 4, expected at least 135": lambda: addresses_text.format_wide(wide, i64, u8),
    "addresses: shape (3, 15), expected (3, 16)": lambda: addresses_text.format_wide(
        np.zeros((3, 15), np.uint8), i64, u8),
    "values: length 3, expected 4": lambda: cells.Pages(4, 1 << 20).put_sparse(u32, i64, u16[:3]),
    "pages of store: length 16, expected 64": packed(16),
    "columns of rows: length 1, expected at least 2": packed(rows=np.zeros((1, 1), np.uint32)),
    "columns of pages: length 8, expected 16": packed(pages=np.zeros((1, 8), np.uint16)),
    "label_pages: length 2, expected 1": packed(labels=np.zeros((2, 1), np.uint32)),
    "cidr_pages: length 2, expected 1": packed(cidrs=np.zeros((2, 1), np.uint32)),
    "index: length 0, expected 1": packed(index=np.zeros((0, 1), np.uint32)),
    "cidrs: length 4, expected 1": packed(cidr=u32),
    "cells by index: length 0, expected at least 1": packed(index=np.zeros((1, 0), np.uint32)),
    f"second_marks: shape (2, {decisions}), expected (3, {decisions})": lambda: (
        contrast.Contrast(tables, tables, marks, marks[:2])),
    "flows: length 4, expected 3": lambda: contrast.Contrast(tables, tables, marks, marks).add(
        3, results, results, u64, None, None),
    "decisions: length 4, expected": made(tally.Tally, 0, u32),
    "workloads: length 9": made(tally.Tally, 1, np.zeros(9, np.uint32)),
    "protocols: length 4, expected 256": made(cover.CoverTally, 2, u16),
    "packets: length 4, expected 3": lambda: tally.Tally(tables, *facts, 9, 0, 4).add(
        3, columns, results, None, u64, None),
    "result egress: length 2, expected 3": lambda: tally.Tally(tables, *facts, 9, 0, 4).add(
        3, columns, {**results, "egress": results["egress"][:2]}, None, None, None),
    "has_ports: length 4, expected 256": lambda: fused.FusedSums(
        tally.Tally(tables, *facts, 9, 0, 4), u8),
    "src: 8 bytes, expected 3 rows of 4 bytes": lambda: evaluate.evaluate(
        tables, 3, {**columns, "src": columns["src"][:2].copy()}, results),
    "egress: 8 bytes, expected 3 rows of 4 bytes": lambda: evaluate.evaluate(
        tables, 3, columns, {**results, "egress": results["egress"][:2]}),
    "notes: 8 bytes, expected 3 rows of 2 bytes": lambda: evaluate.notes(
        tables, 3, columns, results["src_endpoint"], results["dst_endpoint"], u16),
    "dst_endpoint: 8 bytes": lambda: evaluate.plain_rows(
        tables, 3, columns, results["src_endpoint"], results["dst_endpoint"][:2].copy()),
    "bytes_: length 4, expected 3": lambda: sums.Histogram(9).add(u32[:3], None, None, u64),
    "keys: shape (2, 2), expected (2, 3)": lambda: sums.Groups(9).add(
        np.zeros((2, 2), np.uint64), None, None, None),
    "keys: shape (1, 4), expected (1, 3)": lambda: sums.Groups(9).places(
        np.zeros((1, 4), np.uint64)),
    "other: length 8, expected 9": lambda: sums.Histogram(9).merge(sums.Histogram(8)),
    "server: length 3, expected 4": lambda: suspects.Suspects().add(u8, u16, u16[:3]),
    "own_columns: length 1, expected 2": lambda: opened(own_columns=[(0, 0)]),
    "a side of own_columns: length 3, expected 2": lambda: opened(own_columns=[(0, 0, 0)] * 2),
    "own_node: length 0, expected 2": lambda: opened(own_node=()),
    "counts: length 0, expected 2": lambda: row_checks.check_decisions(arrays, listed, []),
    "counts of ingress: length 1, expected 0": lambda: row_checks.check_decisions(
        arrays, listed, [[], [1]]),
    "counts: a side is missing": lambda: row_checks.check_decisions(
        arrays, listed, [[], None]),
}
for wanted, call in CALLS.items():
    print(wanted, flush=True)
    try:
        call()
    except ValueError as error:
        if wanted in str(error):
            continue
        raise SystemExit(f"{wanted}: but said {error}")
    raise SystemExit(f"{wanted}: was taken")
print("done")
"""


def test_a_wrong_length_is_named_with_what_it_is_and_should_be() -> None:
    found = printed_by(LENGTHS)
    assert found[-1] == "done", found


def test_every_module_is_tried() -> None:
    """A module that cannot be imported, or has nothing to call, would be tried in vain."""
    callables = 0
    for name in MODULES:
        module = importlib.import_module(f"netpol._core.{name}")
        callables += sum(
            callable(value) and getattr(value, "__module__", None) == module.__name__
            for value in vars(module).values()
            if inspect.isclass(value) or inspect.isroutine(value)
        )
    assert callables >= 25
