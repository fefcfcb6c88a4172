"""Takes a way to compile and a stream of flows, gives what the command shows of the verdicts.

Either they are replayed once, or by two profiles whose verdicts are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

from netpol.cli.gates import need_flows
from netpol.model.verdict import Reason

if TYPE_CHECKING:
    from netpol.cli.options import ChosenSwitches
    from netpol.cli.report import ReportFile
    from netpol.flows.reader import FlowStream
    from netpol.model.switches import Switches
    from netpol.questions.replay.replay import DnsCounts, RecordWriter, ReplaySummary

__all__ = ["Outcome", "compared", "replayed"]

#: Pairs that a page lists at most, whatever ``--top`` says.
REPORT_ROWS = 500

#: Reasons of flows that no policy is about.
_NO_PODS = (Reason.NO_POD_ENDPOINT, Reason.LOOPBACK)

CompileWith = Callable[["Switches"], Any]


class Outcome(NamedTuple):
    """A summary as text and as JSON, and the words of ``--fail-on`` that are true of it.

    ``has_recorded`` says whether any flow's log says what the network did, ``about_pods`` whether
    any has a pod at one of its ends.
    """

    found: set[str]
    as_text: Callable[[TextIO], str]
    as_json: Callable[[], bytes]
    has_recorded: bool = False
    about_pods: bool = True


def replayed(
    compile_with: CompileWith,
    chosen: ChosenSwitches,
    stream: FlowStream,
    dns: DnsCounts | None,
    *,
    top: int,
    report: ReportFile | None,
    writers: Sequence[RecordWriter],
    **options: Any,
) -> Outcome:
    """Judge every flow by the chosen profile."""
    from netpol.model.profiles import PROFILES
    from netpol.questions.replay.replay import replay
    from netpol.report.json import replay as json
    from netpol.report.text import replay as terminal

    engine = compile_with(chosen.under(chosen.profile))
    options |= {
        "compile_with": compile_with,
        "profiles": {name: chosen.under(name) for name in PROFILES},
    }
    if report is None:
        found = replay(engine, stream, top=top, writers=writers, **options)
        summary = replace(found, dns=dns, profile=chosen.profile)
    else:
        from netpol.report.html.replay import sections
        from netpol.report.words.unjudged import HERE
        from netpol.run.distribution.collect import SpreadWriter

        spread = SpreadWriter(engine)
        both = [*writers, spread]
        found = replay(engine, stream, top=max(top, REPORT_ROWS), writers=both, **options)
        summary = replace(found, dns=dns, profile=chosen.profile)
        report.write(
            "Network policies, replayed",
            terminal.headline(summary),
            sections(summary, spread.result()),
            summary.switches,
            notice=summary.unjudged.sentence(HERE),
        )
        summary = summary.first(top)
    need_flows(summary.total.flows)
    return Outcome(
        _true_of(summary),
        partial(terminal.render, summary),
        partial(json.render, summary),
        summary.recorded is not None and summary.recorded.compared.flows > 0,
        any(reason not in _NO_PODS for _, reason, _ in summary.outcomes),
    )


def _true_of(summary: ReplaySummary) -> set[str]:
    """Return the words of ``--fail-on`` that hold."""
    found = {verdict.label for verdict, weight in summary.by_verdict().items() if weight.flows}
    if summary.recorded is not None and summary.recorded.differing.flows:
        found.add("disagree")
    return found


def compared(
    compile_with: CompileWith,
    chosen: ChosenSwitches,
    profiles: tuple[str, str],
    stream: FlowStream,
    dns: DnsCounts | None,
    *,
    top: int,
    report: ReportFile | None,
    **options: Any,
) -> Outcome:
    """Judge every flow by two profiles."""
    from netpol.questions.compare.compare import compare
    from netpol.report.json import compare as json
    from netpol.report.text import compare as terminal

    before, after = map(chosen.under, profiles)
    rows = top if report is None else max(top, REPORT_ROWS)
    found = compare(compile_with, before, after, stream, names=profiles, top=rows, **options)
    need_flows(found.total.flows)
    comparison = replace(found, dns=dns)
    if report is not None:
        from netpol.report.html.compare import sections
        from netpol.report.words.unjudged import HERE

        report.write(
            "Profiles, compared",
            terminal.headline(comparison),
            sections(comparison),
            notice=comparison.unjudged.sentence(HERE),
        )
        comparison = comparison.first(top)
    return Outcome(
        {"differs"} if comparison.differing.flows else set(),
        partial(terminal.render, comparison),
        partial(json.render, comparison),
    )
