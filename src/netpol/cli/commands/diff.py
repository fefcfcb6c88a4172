"""``netpol diff``: judges flows before and after a change of policies, and reports what differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import click

from netpol.cli import flow_options, steps
from netpol.cli.diff_exhaustive import OUTPUTS, exhaustively
from netpol.cli.dns import read_dns_logs
from netpol.cli.errors import EXIT_FINDINGS
from netpol.cli.flow_options import PATH
from netpol.cli.gates import MAX_SKIPPED, need_flows
from netpol.cli.judge import REPORT_ROWS
from netpol.cli.names import require_known
from netpol.cli.options import (
    CONTEXT,
    ChoiceList,
    PathOrRevision,
    SectionedCommand,
    env_option,
    pop_switches,
    switch_options,
)
from netpol.cli.reading import flow_stream, read_cluster, read_once, warn
from netpol.cli.report import ReportFile, check_outputs, report_option
from netpol.cli.writing import Request, opened
from netpol.report.words.formats import CI_FORMATS

if TYPE_CHECKING:
    from netpol.kube.policies import PolicySet
    from netpol.kube.snapshot import Snapshot
    from netpol.model.dns_observations import DnsObservations
    from netpol.model.switches import Switches
    from netpol.questions.diff.diff import Diff
    from netpol.run.distribution.collect import Spread

__all__ = ["diff"]

_SIDES = ("before", "after")
_ALL = 1 << 31
_KINDS = ("newly-denied", "newly-allowed", "newly-unknown", "other-rule")

_EXAMPLES = """\b
Examples:
  netpol diff flows.csv -c cluster.json --before policies/ --after new-policies/
  netpol diff node*.txt --dedup -c cluster.json -p policies/ --before main
  netpol diff flows.csv -c cluster.json --before v1.2:policies --after HEAD:policies
  netpol diff flows.csv -c cluster.json --before none --after first-policy.yaml
  netpol diff flows.csv -c cluster.json --without shop/legacy --fail-on newly-denied
  netpol diff flows.csv -p policies/ --cluster-before old.json --cluster-after new.json

Exit code: 0 done, 1 --fail-on found what it names, 2 an error, or nothing was judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request(Request):
    """What the command line asks for."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    cluster_before: tuple[str, ...]
    cluster_after: tuple[str, ...]
    only: tuple[str, ...]
    without: tuple[str, ...]
    exhaustive: bool
    other_rule: bool
    top: int


class _Summary(NamedTuple):
    """How to write a diff; ``top`` is how many groups of a kind it needs, None what --top says."""

    render: Callable[[Diff, TextIO], bytes]
    top: int | None = None


def _table(found: Diff, target: TextIO) -> bytes:
    return steps.encoded(_text(found), target)


def _json(found: Diff, target: TextIO) -> bytes:
    from netpol.report.json import diff as diff_json

    return diff_json.render(found)


def _text(found: Diff) -> Callable[[TextIO], str]:
    from netpol.report.text import diff as terminal

    return lambda target: terminal.render(found, target)


def _findings(output: str) -> Callable[[Diff, TextIO], bytes]:
    def render(found: Diff, target: TextIO) -> bytes:
        import netpol
        from netpol.report.ci.diff import annotations_of, counts_of
        from netpol.report.ci.formats import Heading
        from netpol.report.ci.formats import render as written

        heading = Heading("diff", counts_of(found), version=netpol.__version__)
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
    "--other-rule",
    is_flag=True,
    help="With --exhaustive: also list what gets the same verdict by another rule or policy; it is "
    "counted anyway.",
)
@env_option(
    "--before",
    multiple=True,
    type=PathOrRevision(),
    metavar="PATH|REV|none",
    help="Policies before the change: files, directories, - for stdin, a git revision, REV or "
    "REV:PATH, or none; what exists as a path is one. Without it, those of --policies, else those "
    "among the cluster.  [repeatable]",
)
@env_option(
    "--after",
    multiple=True,
    type=PathOrRevision(),
    metavar="PATH|REV|none",
    help="Policies after the change, as for --before.  [repeatable]",
)
@env_option(
    "--without",
    multiple=True,
    metavar="POLICY",
    help="The change is to delete this policy: NS/NAME, KIND/NS/NAME, or KIND/NAME of a policy "
    "without a namespace; * stands for any text.  [repeatable]",
)
@env_option(
    "--only",
    multiple=True,
    metavar="POLICY",
    help="The change is to delete all but this policy, named as for --without.  [repeatable]",
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
@flow_options.EXCLUDE
@flow_options.MAX_MANIFEST
@flow_options.DNS
@flow_options.FORMAT
@flow_options.NAMESPACE
@flow_options.IGNORE_KINDS
@click.option(
    "--output",
    "-o",
    envvar="NETPOL_DIFF_OUTPUT",
    type=click.Choice([*_SUMMARIES, *steps.RECORDS]),
    metavar="FORMAT",
    default="table",
    show_default=True,
    help="A summary (table, json), findings for CI (github, sarif, junit, markdown), or one record "
    "per flow that is judged differently (csv, jsonl, arrow, parquet); with --exhaustive, csv has "
    "one row per change.",
)
@flow_options.OUTPUT_FILE
@flow_options.CSV_CELLS
@report_option
@click.option(
    "--fail-on",
    envvar="NETPOL_DIFF_FAIL_ON",
    type=ChoiceList(*_KINDS),
    default=(),
    metavar="KIND[,KIND]",
    help="Exit 1 if there is a flow, or with --exhaustive a pair, of this kind: "
    f"{', '.join(_KINDS)}.",
)
@flow_options.START_ZONE
@flow_options.ONE_WAY
@flow_options.STRICT
@MAX_SKIPPED
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
        if request.flows or request.report or request.output not in OUTPUTS:
            raise click.UsageError(
                f"--exhaustive takes no flows and no --report, and gives -o {', '.join(OUTPUTS)}"
            )
    elif request.other_rule:
        raise click.UsageError("--other-rule is for --exhaustive; of flows it is always shown")
    elif not request.flows:
        raise click.UsageError("Missing argument 'FLOWS...', or --exhaustive")
    check_outputs(request.report, request.output_file, _inputs(request))
    clusters = dict.fromkeys(_cluster(request, side) for side in _SIDES)
    if not all(clusters):
        raise click.UsageError(
            "name the cluster with --cluster, or with --cluster-before and --cluster-after"
        )
    selected = request.only or request.without
    if selected and request.after:
        raise click.UsageError("--without and --only say what is after; leave --after out")
    if not (request.before or request.after or selected or len(clusters) > 1):
        raise click.UsageError(
            "nothing to compare: name what changed with --before or --after, or what is to be "
            "deleted with --without"
        )
    named = (request.flows, request.policies, request.dns, request.before, request.after)
    read_once(*named, *clusters)
    steps.refuse_garbage(request.output, request.output_file, request.csv_cells)


def _inputs(request: _Request) -> dict[str, tuple[str, ...]]:
    """Return the files that are read, by what they are to the command."""
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
            *_engines(request, dns),
            output=request.output,
            top=request.top,
            other_rule=request.other_rule,
            memory_budget=request.memory_budget,
            fail_on=request.fail_on,
            csv_cells=request.csv_cells,
        )
        sink.write(outcome.render(steps.text_target(request.output_file)))
    return outcome.found


def _cluster(request: _Request, side: str) -> tuple[str, ...]:
    own: tuple[str, ...] = getattr(request, f"cluster_{side}")
    return own or request.cluster


def _run(request: _Request) -> Diff:
    """Judge everything; the output is opened first, so a bad one is found before the work."""
    from netpol.questions.diff.diff import diff as find

    with opened(request, _inputs(request)) as written:
        dns, dns_counts = read_dns_logs(request.dns, strict=request.strict)
        engines = _engines(request, dns)
        summary = _SUMMARIES.get(request.output)
        top = request.top if summary is None or summary.top is None else summary.top
        rows, spread = top, None
        if written.report is not None:
            from netpol.questions.diff.distribution import DifferingSpread

            rows, spread = max(top, REPORT_ROWS), DifferingSpread(engines[1])
        stream = flow_stream(request, gate=bool(request.fail_on))
        with steps.progress(quiet=request.quiet) as on_batch:
            found = find(
                *engines,
                stream,
                top=rows,
                writers=[*written.records, *([] if spread is None else [spread])],
                jobs=request.jobs,
                memory_budget=request.memory_budget,
                on_batch=on_batch,
            )
        need_flows(found.total.flows)
        found = replace(found, dns=dns_counts)
        if written.report is not None and spread is not None:
            _write_report(written.report, found, spread.result(), request)
            found = found.first(top)
        if summary is not None:
            target = steps.text_target(request.output_file)
            written.sink.write(summary.render(found, target))
    if summary is None and not request.quiet:
        steps.print_beside(_text(found))
    return found


def _write_report(report: ReportFile, found: Diff, spread: Spread, request: _Request) -> None:
    from netpol.report.html.diff import sections
    from netpol.report.text.diff import headline
    from netpol.report.words.unjudged import HERE, of_sides

    switches = asdict(request.chosen.under(request.chosen.profile))
    report.write(
        "A change of policies",
        headline(found),
        sections(found, spread),
        switches,
        notice=of_sides(found.unjudged, found.names, HERE),
    )


def _engines(request: _Request, dns: DnsObservations | None) -> tuple[Any, Any]:
    """Read and compile both sides."""
    import netpol

    switches = request.chosen.under(request.chosen.profile)
    snapshots = _snapshots(request, switches, dns)
    policies = _policies(request, switches)
    if not request.quiet:
        warn(snapshots, policies, dns)
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
    clusters = [_cluster(request, side) for side in _SIDES]
    # Those of which the policies are read, too.
    twice = [
        cluster
        for side, cluster in zip(_SIDES, clusters, strict=True)
        if not (getattr(request, side) or request.policies)
    ]
    read: dict[tuple[str, ...], Snapshot] = {}
    for cluster in dict.fromkeys(clusters):
        read[cluster] = read_cluster(
            cluster,
            switches,
            dns,
            namespace=request.namespace,
            policies=cluster in twice,
            exclude=request.exclude,
        )
    require_known([*read.values()], request.namespace, request.chosen)
    return [read[cluster] for cluster in clusters]


def _policies(request: _Request, switches: Switches) -> tuple[PolicySet, PolicySet]:
    """Read the policies of each side."""
    from netpol.cli.sides import Asked, read_sides

    asked = Asked(
        request.before,
        request.after,
        request.policies,
        (_cluster(request, "before"), _cluster(request, "after")),
        request.namespace,
        request.exclude,
        request.only,
        request.without,
        request.ignore_kinds,
    )
    return read_sides(asked, switches, quiet=request.quiet)
