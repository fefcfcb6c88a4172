"""``netpol diff``: judges flows before and after a change of policies, and reports what differs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import click

from netpol.cli import flow_options, steps
from netpol.cli.diff_exhaustive import exhaustively
from netpol.cli.dns import names_domains, read_dns_logs
from netpol.cli.errors import EXIT_FINDINGS, say
from netpol.cli.flow_options import PATH
from netpol.cli.judge import REPORT_ROWS
from netpol.cli.options import (
    CONTEXT,
    ChoiceList,
    ChosenSwitches,
    PathOrRevision,
    SectionedCommand,
    env_option,
    pop_switches,
    switch_options,
)
from netpol.cli.report import ReportFile, check_report, report_file, report_option
from netpol.report.formats import CI_FORMATS

if TYPE_CHECKING:
    from netpol.analysis.diff import Diff
    from netpol.dns.observations import DnsObservations
    from netpol.kube.policies import PolicySet
    from netpol.kube.snapshot import Snapshot
    from netpol.replay import RecordWriter
    from netpol.switches import Switches

__all__ = ["diff"]

_SIDES = ("before", "after")
_ALL = 1 << 31
_KINDS = ("newly-denied", "newly-allowed", "newly-unknown", "other-rule")

_EXAMPLES = """\b
Examples:
  netpol diff flows.csv -c cluster.json --before policies/ --after new-policies/
  netpol diff node*.txt --dedup -c cluster.json -p policies/ --before main
  netpol diff flows.csv -c cluster.json --before v1.2:policies --after HEAD:policies
  netpol diff flows.csv -p policies/ --cluster-before old.json --cluster-after new.json

Exit code: 0 done, 1 --fail-on found what it names, 2 an error."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What the command line asks for."""

    flows: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    policies: tuple[str, ...]
    cluster: tuple[str, ...]
    cluster_before: tuple[str, ...]
    cluster_after: tuple[str, ...]
    dns: tuple[str, ...]
    format: str
    namespace: str
    exhaustive: bool
    output: str
    output_file: str | None
    report: str | None
    fail_on: tuple[str, ...]
    start_zone: str | None
    strict: bool
    dedup: bool
    top: int
    memory_budget: int
    jobs: int
    quiet: bool
    chosen: ChosenSwitches


class _Summary(NamedTuple):
    """How to write a diff; ``top`` is how many groups of a kind it needs, None what --top says."""

    render: Callable[[Diff, TextIO], bytes]
    top: int | None = None


def _table(found: Diff, target: TextIO) -> bytes:
    return steps.encoded(_text(found), target)


def _json(found: Diff, target: TextIO) -> bytes:
    from netpol.report import diff_json

    return diff_json.render(found)


def _text(found: Diff) -> Callable[[TextIO], str]:
    from netpol.report import diff as terminal

    return lambda target: terminal.render(found, target)


def _findings(output: str) -> Callable[[Diff, TextIO], bytes]:
    def render(found: Diff, target: TextIO) -> bytes:
        import netpol
        from netpol.report.ci import Heading
        from netpol.report.ci import render as written
        from netpol.report.diff_annotations import annotations_of

        counts = tuple(f"{listed.total.flows:,} {kind}" for kind, listed in found.kinds.items())
        heading = Heading("diff", counts, version=netpol.__version__)
        return written(output, annotations_of(found), heading).encode()

    return render


#: Every format that is no records; findings leave nothing out.
_SUMMARIES = {
    "table": _Summary(_table),
    "json": _Summary(_json),
    **{name: _Summary(_findings(name), _ALL) for name in CI_FORMATS},
}


@click.command(
    cls=SectionedCommand, context_settings=CONTEXT, epilog=_EXAMPLES, no_args_is_help=True
)
@click.argument("flows", nargs=-1, type=PATH)
@env_option(
    "--exhaustive",
    is_flag=True,
    help="Without flows: every pair of workloads and every port that is judged otherwise, exactly, "
    "or a proof that there is none.",
)
@env_option(
    "--before",
    multiple=True,
    type=PathOrRevision(),
    metavar="PATH|REV",
    help="Policies before the change: files, directories, - for stdin, or a git revision, REV or "
    "REV:PATH; what exists as a path is one. Without it, those of --policies, else those among the "
    "cluster.  [repeatable]",
)
@env_option(
    "--after",
    multiple=True,
    type=PathOrRevision(),
    metavar="PATH|REV",
    help="Policies after the change, as for --before.  [repeatable]",
)
@env_option(
    "--policies",
    "-p",
    "-f",
    multiple=True,
    type=PATH,
    help="Policies of a side that is not named, and what a REV without PATH is read for; without "
    "it, the paths of the other side.  [repeatable]",
)
@env_option(
    "--cluster",
    "-c",
    multiple=True,
    type=PATH,
    help="Manifests of the cluster: files, directories, - for stdin.  [repeatable]",
)
@env_option(
    "--cluster-before",
    multiple=True,
    type=PATH,
    help="The cluster before the change, if it is another one.  [repeatable]",
)
@env_option(
    "--cluster-after",
    multiple=True,
    type=PATH,
    help="The cluster after the change, if it is another one.  [repeatable]",
)
@flow_options.DNS
@flow_options.FORMAT
@flow_options.NAMESPACE
@click.option(
    "--output",
    "-o",
    envvar="NETPOL_DIFF_OUTPUT",
    type=click.Choice([*_SUMMARIES, *steps.RECORDS]),
    metavar="FORMAT",
    default="table",
    show_default=True,
    help="A summary (table, json), findings for CI (github, sarif, junit, markdown), or one record "
    "per flow that is judged differently (csv, jsonl, arrow, parquet).",
)
@flow_options.OUTPUT_FILE
@report_option
@click.option(
    "--fail-on",
    envvar="NETPOL_DIFF_FAIL_ON",
    type=ChoiceList(*_KINDS),
    default=(),
    metavar="KIND[,KIND]",
    help=f"Exit 1 if there is a flow of this kind: {', '.join(_KINDS)}.",
)
@flow_options.START_ZONE
@flow_options.STRICT
@flow_options.DEDUP
@env_option(
    "--top",
    type=click.IntRange(min=0),
    metavar="N",
    default=10,
    show_default=True,
    help="Pairs of workloads to list of each kind.",
)
@flow_options.MEMORY_BUDGET
@flow_options.JOBS
@flow_options.QUIET
@switch_options
def diff(**options: Any) -> None:
    """Judge flows before and after a change: what it breaks, what it opens, which policy does it.

    FLOWS are conntrack dumps (conntrack -L or -E, /proc/net/nf_conntrack) or tables with the
    columns src, dst, protocol and port; plain, .gz or .zst; - is stdin.
    """
    chosen = pop_switches(options)
    request = _Request(chosen=chosen, **options)
    _check(request)
    if request.exhaustive:
        if _run_exhaustive(request).intersection(request.fail_on):
            raise click.exceptions.Exit(EXIT_FINDINGS)
        return
    found = _run(request)
    kinds = {str(kind) for kind, listed in found.kinds.items() if listed.total.flows}
    if kinds.intersection(request.fail_on):
        raise click.exceptions.Exit(EXIT_FINDINGS)


def _check(request: _Request) -> None:
    """Refuse what makes no sense before anything is read."""
    if request.exhaustive:
        if request.flows or request.report or request.output not in ("table", "json"):
            raise click.UsageError("--exhaustive takes no flows, and gives -o table or json")
    elif not request.flows:
        raise click.UsageError("Missing argument 'FLOWS...', or --exhaustive")
    check_report(request.report, request.output_file)
    clusters = dict.fromkeys(_cluster(request, side) for side in _SIDES)
    if not all(clusters):
        raise click.UsageError(
            "name the cluster with --cluster, or with --cluster-before and --cluster-after"
        )
    if not (request.before or request.after or len(clusters) > 1):
        raise click.UsageError("nothing to compare: name what changed with --before or --after")
    inputs = [*request.flows, *request.policies, *request.dns, *request.before, *request.after]
    for cluster in clusters:
        inputs += cluster
    if inputs.count("-") > 1:
        raise click.UsageError("stdin (-) can be read only once")
    steps.refuse_garbage(request.output, request.output_file)


def _inputs(request: _Request) -> dict[str, tuple[str, ...]]:
    """Give the files that are read, by what they are to the command."""
    clusters = [_cluster(request, side) for side in _SIDES]
    named = (*request.before, *request.after, *request.policies)
    return {
        "flows": request.flows,
        "cluster": tuple(dict.fromkeys(path for one in clusters for path in one)),
        "policies": tuple(path for path in dict.fromkeys(named) if Path(path).exists()),
        "dns": request.dns,
    }


def _run_exhaustive(request: _Request) -> set[str]:
    """Compare both sides without flows; give the kinds of change there are."""
    with steps.opened_output(request.output_file) as sink:
        dns, _ = read_dns_logs(request.dns, strict=request.strict)
        outcome = exhaustively(
            *_engines(request, dns), top=request.top, memory_budget=request.memory_budget
        )
        if request.output == "json":
            sink.write(outcome.as_json())
        else:
            sink.write(steps.encoded(outcome.as_text, steps.text_target(request.output_file)))
    return outcome.found


def _cluster(request: _Request, side: str) -> tuple[str, ...]:
    own: tuple[str, ...] = getattr(request, f"cluster_{side}")
    return own or request.cluster


def _run(request: _Request) -> Diff:
    """Judge everything; the output is opened first, so a bad one is found before the work."""
    from netpol.analysis.diff import diff as find
    from netpol.flows.reader import open_flows

    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(steps.opened_output(request.output_file))
        report = stack.enter_context(report_file(request.report, _inputs(request)))
        dns, dns_counts = read_dns_logs(request.dns, strict=request.strict)
        engines = _engines(request, dns)
        stream = open_flows(
            request.flows,
            format=request.format,
            strict=request.strict,
            dedup=request.dedup,
            start_zone=request.start_zone,
        )
        writers: list[RecordWriter] = []
        summary = _SUMMARIES.get(request.output)
        if summary is None:
            from netpol.report.records import record_writer

            writers.append(stack.enter_context(record_writer(request.output, sink)))
        top = request.top if summary is None or summary.top is None else summary.top
        rows = top if report is None else max(top, REPORT_ROWS)
        with steps.progress(quiet=request.quiet) as on_batch:
            found = find(
                *engines,
                stream,
                top=rows,
                writers=writers,
                jobs=request.jobs,
                memory_budget=request.memory_budget,
                on_batch=on_batch,
            )
        found = replace(found, dns=dns_counts)
        if report is not None:
            _write_report(report, found, request)
            found = found.first(top)
        if summary is not None:
            sink.write(summary.render(found, steps.text_target(request.output_file)))
    if summary is None and not request.quiet:
        steps.print_beside(_text(found))
    return found


def _write_report(report: ReportFile, found: Diff, request: _Request) -> None:
    from netpol.report.diff import headline
    from netpol.report.html.diff import sections

    switches = asdict(request.chosen.under(request.chosen.profile))
    report.write("A change of policies", headline(found), sections(found), switches)


def _engines(request: _Request, dns: DnsObservations | None) -> tuple[Any, Any]:
    """Read and compile both sides."""
    import netpol

    switches = request.chosen.under(request.chosen.profile)
    snapshots = _snapshots(request, switches, dns)
    policies = _policies(request, switches)
    if not request.quiet:
        _warn(snapshots, policies, dns)
    clusters = netpol.Clusters()  # of both sides it is nearly always one
    before, after = (
        netpol.compile(
            one,
            snapshot,
            memory_budget=request.memory_budget,
            clusters=clusters,
            **asdict(switches),
        )
        for one, snapshot in zip(policies, snapshots, strict=True)
    )
    return before, after


def _snapshots(
    request: _Request, switches: Switches, dns: DnsObservations | None
) -> list[Snapshot]:
    """Read the cluster of each side, once if it is the same."""
    from netpol.kube.snapshot import read_snapshot

    clusters = [_cluster(request, side) for side in _SIDES]
    # Those of which the policies are read, too.
    twice = [
        cluster
        for side, cluster in zip(_SIDES, clusters, strict=True)
        if not (getattr(request, side) or request.policies)
    ]
    read: dict[tuple[str, ...], Snapshot] = {}
    for cluster in dict.fromkeys(clusters):
        with steps.stdin_twice(needed="-" in cluster and cluster in twice):
            read[cluster] = replace(read_snapshot(cluster, switches=switches), dns=dns)
    return [read[cluster] for cluster in clusters]


def _policies(request: _Request, switches: Switches) -> list[PolicySet]:
    """Read the policies of each side, once if they are the same."""
    from netpol.cli.sides import sources_of

    sources = sources_of(request.before, request.after, request.policies)
    read: dict[Any, PolicySet] = {}
    found = []
    for side, source in zip(_SIDES, sources, strict=True):
        cluster = _cluster(request, side)
        key = tuple(source or cluster)
        if key not in read:
            read[key] = steps.policies_of(
                source, cluster, switches=switches, namespace=request.namespace
            )
        found.append(read[key])
    return found


def _warn(
    snapshots: list[Snapshot], policies: list[PolicySet], dns: DnsObservations | None
) -> None:
    warnings = [text for snapshot in snapshots for text in snapshot.warnings]
    warnings += [text for one in policies for text in one.warnings]
    for warning in dict.fromkeys(warnings):
        say("warning", warning)
    if dns is not None and not any(map(names_domains, policies)):
        say("warning", "--dns: no policy has domainNames, so DNS changes no verdict")
