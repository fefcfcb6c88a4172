"""``netpol replay``: judges the flows of logs against policies and reports."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from netpol.cli import flow_options, steps
from netpol.cli.dns import read_dns_logs
from netpol.cli.errors import EXIT_FINDINGS
from netpol.cli.gates import MAX_SKIPPED
from netpol.cli.judge import CompileWith, Outcome, compared, replayed
from netpol.cli.options import (
    CONTEXT,
    ChoiceList,
    ProfilePair,
    SectionedCommand,
    env_option,
    pop_switches,
    switch_options,
)
from netpol.cli.reading import flow_stream, inputs_of, read_once, read_world
from netpol.cli.report import check_outputs, report_option
from netpol.cli.writing import Request, opened
from netpol.model.errors import FlowError

if TYPE_CHECKING:
    from netpol.model.dns_observations import DnsObservations

__all__ = ["replay"]


_EXAMPLES = """\b
Examples:
  kubectl get ns,no,po,svc,endpointslices,netpol -A -o json > cluster.json
  conntrack -L -o extended | netpol replay - -c cluster.json
  netpol replay node1.txt node2.txt -c cluster.json -p policies/ --dedup
  netpol replay flows.csv -c cluster.json -o parquet --output-file verdicts.parquet

A snapshot as JSON loads about ten times as fast as YAML. Exit code: 0 done, 1 --fail-on found what
it names, 2 an error, or nothing was judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request(Request):
    """What the command line asks for."""

    top: int
    compare_profiles: tuple[str, str] | None


@click.command(
    cls=SectionedCommand, context_settings=CONTEXT, epilog=_EXAMPLES, no_args_is_help=True
)
@flow_options.FLOWS
@flow_options.CLUSTER
@flow_options.POLICIES
@flow_options.EXCLUDE
@flow_options.MAX_MANIFEST
@flow_options.DNS
@flow_options.FORMAT
@flow_options.NAMESPACE
@flow_options.IGNORE_KINDS
@env_option(
    "--output",
    "-o",
    type=click.Choice(["table", "json", *steps.RECORDS]),
    metavar="FORMAT",
    default="table",
    show_default=True,
    help="A summary (table, json) or one record per flow (csv, jsonl, arrow, parquet).",
)
@flow_options.OUTPUT_FILE
@flow_options.CSV_CELLS
@report_option
@env_option(
    "--fail-on",
    type=ChoiceList("deny", "unknown", "disagree", "differs"),
    default=(),
    metavar="WORD[,WORD]",
    help="Exit 1 if there is a flow with this verdict: deny, unknown; disagree: one that the log "
    "says was allowed and is denied here, or the other way round; with --compare-profiles "
    "differs: one that gets two.",
)
@env_option(
    "--compare-profiles",
    type=ProfilePair(),
    metavar="A,B",
    help="Judge by two profiles and list the flows whose verdict differs, and by which switch; "
    "record formats hold these flows alone.",
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
    help="Denied, unknown and disagreeing pairs to list.",
)
@flow_options.MEMORY_BUDGET
@flow_options.JOBS
@flow_options.QUIET
@switch_options
def replay(**options: Any) -> None:
    """Judge the flows of logs: which would be denied, on which side, by which rule, and why.

    FLOWS are conntrack dumps (conntrack -L or -E, /proc/net/nf_conntrack) or tables with the
    columns src, dst, protocol and port; plain, .gz or .zst; - is stdin.
    """
    chosen = pop_switches(options)
    request = _Request(chosen=chosen, **options)
    _check(request)
    if _run(request).found.intersection(request.fail_on):
        raise click.exceptions.Exit(EXIT_FINDINGS)


def _check(request: _Request) -> None:
    """Refuse what makes no sense before anything is read."""
    read_once(*inputs_of(request).values())
    check_outputs(request.report, request.output_file, inputs_of(request))
    comparing = request.compare_profiles is not None
    if set(request.fail_on) - ({"differs"} if comparing else {"deny", "unknown", "disagree"}):
        raise click.UsageError(
            "--fail-on differs goes with --compare-profiles, deny, unknown and disagree without it"
        )
    source = click.get_current_context().get_parameter_source("profile")
    if comparing and source is ParameterSource.COMMANDLINE:
        raise click.UsageError("--profile and --compare-profiles exclude each other")
    steps.refuse_garbage(request.output, request.output_file, request.csv_cells)


def _run(request: _Request) -> Outcome:
    """Judge everything; the output is opened first, so a bad one is found before the work."""
    with opened(request) as written:
        dns, dns_counts = read_dns_logs(request.dns, strict=request.strict)
        compile_with = _compiler(request, dns)
        judge = (
            partial(replayed, compile_with, request.chosen)
            if request.compare_profiles is None
            else partial(compared, compile_with, request.chosen, request.compare_profiles)
        )
        stream = flow_stream(request, gate=bool(request.fail_on))
        with steps.progress(quiet=request.quiet) as on_batch:
            outcome = judge(
                stream,
                dns_counts,
                top=request.top,
                writers=written.records,
                jobs=request.jobs,
                on_batch=on_batch,
                report=written.report,
            )
        if "disagree" in request.fail_on and not outcome.has_recorded:
            raise FlowError(
                "--fail-on disagree: no flow has a recorded verdict (columns verdict, "
                "recorded_verdict, action of a table)"
            )
        if request.fail_on and not outcome.about_pods:
            raise FlowError(
                "--fail-on: no flow has a pod of this snapshot at either end, so no policy was "
                "asked; are the flows and the snapshot of the same cluster?"
            )
        if request.output == "json":
            written.sink.write(outcome.as_json())
        elif request.output == "table":
            target = steps.text_target(request.output_file)
            written.sink.write(steps.encoded(outcome.as_text, target))
    if request.output in steps.RECORDS and not request.quiet:
        steps.print_beside(outcome.as_text)
    return outcome


def _compiler(request: _Request, dns: DnsObservations | None) -> CompileWith:
    """Read cluster and policies; give what compiles them."""
    import netpol

    policies, snapshot = read_world(request, dns)
    return lambda switches: netpol.compile(
        policies, snapshot, memory_budget=request.memory_budget, **asdict(switches)
    )
