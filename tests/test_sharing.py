"""Objects that threads share, and processes that fork: the same results, or a clear error.

Everything runs in a process of its own, since a crash of the interpreter is what would fail.
"""

from __future__ import annotations

import pytest

from process_support import printed_by

WORLD = """
import os, sys, threading
import numpy as np
import netpol
from netpol._core import cells, sums, suspects
from netpol._core.conntrack import Scanner
from netpol._core.fused import FusedSums
from netpol.model.batch import FlowBatch
from netpol.kube.policies import PolicySet
from netpol.kube.snapshot import Snapshot
from netpol.questions.replay.replay import replay
from netpol.run.sums import HAS_PORTS, Tally

engine = netpol.compile(PolicySet(), Snapshot())


def flows(number, rows=20000):
    random = np.random.default_rng(number)
    return FlowBatch(
        src=random.integers(0, 1 << 32, rows, np.uint32),
        dst=random.integers(0, 1 << 32, rows, np.uint32),
        protocol=random.choice(np.array([6, 17, 1], np.uint8), rows),
        dport=random.integers(0, 1 << 16, rows, np.uint16),
        packets=random.integers(0, 1 << 40, rows, np.uint64),
    )


def in_threads(work, count=4):
    failed = []

    def run(number):
        try:
            work(number)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def words(verdicts):
    return [verdicts.storage[name].tobytes() for name in sorted(verdicts.storage)]
"""

SHARED = {
    "an engine": """
batches = [flows(number) for number in range(4)]
expected = [words(engine.evaluate(batch)) for batch in batches]

def work(number):
    out = None
    for turn in range(30):
        which = (number + turn) % 4
        out = engine.evaluate(batches[which], out)
        assert words(out) == expected[which]

assert not in_threads(work), "verdicts differ"
""",
    "a tally": """
verdicts = [engine.evaluate(flows(number)) for number in range(4)]
alone, shared = Tally(engine), Tally(engine)
for turn in range(20):
    for each in verdicts:
        alone.add(each)

def work(number):
    for turn in range(20):
        shared.core.add(
            20000, verdicts[number].opened, verdicts[number].storage, None,
            verdicts[number].batch.packets, None)
        shared.core.pairs.keys(), shared.core.pairs.measures(), shared.core.outcomes.items()

assert not in_threads(work)
for name in ("outcomes", "egress", "ingress", "notes"):
    assert getattr(shared.core, name).items() == getattr(alone.core, name).items(), name
""",
    "groups": """
# Each thread brings keys of its own, so that the room grows beneath the others.
groups = sums.Groups(1 << 20)
keys = [
    np.arange(number * 90000, (number + 1) * 90000, dtype=np.uint64).reshape(-1, 3)
    for number in range(4)
]

def work(number):
    for part in np.array_split(keys[number], 300):
        groups.add(np.ascontiguousarray(part), None, None, None)
        groups.places(keys[number][:50])
        groups.measures()

assert not in_threads(work)
assert len(groups) == 120000
assert sorted(map(tuple, groups.keys().tolist())) == [tuple(k) for k in np.vstack(keys).tolist()]
""",
    "groups merged into each other": """
one, other = sums.Groups(1 << 16), sums.Groups(1 << 16)
for number, groups in enumerate((one, other)):
    groups.add(np.arange(3000, dtype=np.uint64).reshape(-1, 3) + np.uint64(number), *[None] * 3)

def work(number):
    for turn in range(20):
        (one, other)[number % 2].merge((other, one)[number % 2])
    one.merge(one)

assert not in_threads(work)
""",
    "suspects": """
shared, protocol = suspects.Suspects(), np.full(5000, 6, np.uint8)
client, server = np.full(5000, 80, np.uint16), np.full(5000, 40000, np.uint16)

def work(number):
    for turn in range(50):
        shared.add(protocol, client, server)

assert not in_threads(work)
assert shared.count() == 4 * 50 * 5000
""",
    "a dictionary of columns": """
verdicts = engine.evaluate(flows(1, 200000))
columns, results = dict(verdicts.opened), dict(verdicts.storage)
tally = Tally(engine)

def work(number):
    for turn in range(30):
        if number:
            for wanted in (columns, results):
                for name in [*wanted]:
                    if wanted[name] is not None:
                        wanted[name] = wanted[name].copy()
        else:
            tally.core.add(200000, columns, results, None, None, None)

assert not in_threads(work)
assert sum(weight[0] for weight in tally.core.outcomes.items().values()) == 30 * 200000
""",
}


def run(code: str) -> list[str]:
    found = printed_by(WORLD + code + "\nprint('done')")
    assert found[-1] == "done"
    return found


@pytest.mark.parametrize("name", SHARED)
def test_threads_may_share(name: str) -> None:
    run(SHARED[name])


def test_a_scanner_is_for_one_thread_at_a_time() -> None:
    """Four threads on one scanner: each call is whole or refused, and some are refused."""
    run("""
line = (b"tcp 6 431999 ESTABLISHED src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 "
        b"src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1 [ASSURED] mark=0 use=1\\n")
text = line * 40000
scanner, tally = Scanner(40000), Tally(engine)
fused = FusedSums(tally.core, HAS_PORTS)
refused = []

def work(number):
    for turn in range(25):
        try:
            if number == 3:
                fused.add(scanner)
                scanner.widen()
            else:
                scanner.restart()
                scanner.scan(text, 0, len(text), True)
        except RuntimeError as error:
            assert "another thread is using this scanner" in str(error)
            refused.append(number)

assert not in_threads(work)
assert refused
scanner.restart()
assert scanner.scan(text, 0, len(text), True) == len(text)
assert scanner.rows == 40000
""")


def test_what_is_written_to_has_one_owner() -> None:
    """Verdicts given as ``out`` to two threads at once: one is refused, and nothing is mixed."""
    run("""
batch, out = flows(1, 300000), engine.evaluate(flows(2, 300000))
expected = words(engine.evaluate(batch))
refused = []

def work(number):
    for turn in range(20):
        try:
            engine.evaluate(batch, out)
        except RuntimeError as error:
            assert "another thread is writing" in str(error)
            refused.append(number)

assert not in_threads(work)
assert refused
assert words(engine.evaluate(batch, out)) == expected
for wrong in (None, 5, {}, batch):
    try:
        engine.evaluate(batch, wrong)
    except TypeError:
        assert wrong is not None
    else:
        assert wrong is None
""")


def test_a_fork_after_judging_judges_alike() -> None:
    """``os.fork``, and the pools of multiprocessing; with threads that judge meanwhile."""
    run("""
import multiprocessing
import warnings

warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which it is about
batch = flows(1)
expected = words(engine.evaluate(batch))
stop = threading.Event()

def judging():
    while not stop.is_set():
        engine.evaluate(batch)

thread = threading.Thread(target=judging)
thread.start()
for turn in range(5):
    child = os.fork()
    if child == 0:
        os._exit(0 if words(engine.evaluate(batch)) == expected else 3)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
thread.join()

def in_child(number):
    return words(engine.evaluate(flows(number)))

with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(in_child, range(4)) == [in_child(number) for number in range(4)]
""")


def test_a_replay_in_each_thread_says_the_same() -> None:
    run("""
def summary(_=None):
    return replay(engine, [flows(1), flows(2)], jobs=2)

expected, found = summary(), []
assert not in_threads(lambda number: found.append(summary()))
assert all(each.outcomes == expected.outcomes for each in found) and len(found) == 4
""")
