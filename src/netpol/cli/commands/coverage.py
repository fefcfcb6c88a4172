"""``netpol coverage``: judges the flows of logs and tells what of the policies they use."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from netpol.cli import flow_options, steps
from netpol.cli.dns import read_dns_logs
from netpol.cli.errors import EXIT_FINDINGS, say
from netpol.cli.gates import MAX_SKIPPED, need_flows
from netpol.cli.options import (
    CONTEXT,
    ChoiceList,
    OutputPath,
    SectionedCommand,
    env_option,
    pop_switches,
    switch_options,
)
from netpol.cli.reading import flow_stream, inputs_of, read_once, read_world
from netpol.cli.report import check_outputs, report_option
from netpol.cli.writing import Request, opened
from netpol.report.words.formats import CI_FORMATS

if TYPE_CHECKING:
    from netpol.questions.coverage.coverage import Coverage
    from netpol.report.words.annotations import Level
    from netpol.run.distribution.collect import SpreadWriter

__all__ = ["coverage"]

_EXAMPLES = """\b
Examples:
  netpol coverage node*.txt -c cluster.json -p policies/ --dedup
  netpol coverage flows.csv -c cluster.json -p policy.yaml -o yaml > annotated.yaml
  netpol coverage flows.csv -c cluster.json -p policies/ --annotate-dir annotated/

A rule that was never hit changes no verdict of these flows when it is removed. Exit code: 0 done,
1 --fail-on found what it names, 2 an error, or nothing was judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request(Request):
    """What the command line asks for."""

    annotate_dir: str | None


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
@click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json", "yaml", *CI_FORMATS]),
    metavar="FORMAT",
    default="table",
    show_default=True,
    envvar="NETPOL_COVERAGE_OUTPUT",
    help="table, json, findings for CI (github, sarif, junit, markdown), or yaml: the policy files "
    "with their hits as comments.",
)
@flow_options.OUTPUT_FILE
@report_option
@env_option(
    "--annotate-dir",
    type=OutputPath(),
    metavar="DIR",
    help="Write each policy file with its hits as comments below this directory.",
)
@click.option(
    "--fail-on",
    type=ChoiceList("never-hit"),
    default=(),
    metavar="WHAT",
    envvar="NETPOL_COVERAGE_FAIL_ON",
    help="Exit 1 if there is any: never-hit, a rule that no flow matched.",
)
@flow_options.START_ZONE
@flow_options.ONE_WAY
@flow_options.STRICT
@MAX_SKIPPED
@flow_options.DEDUP
@flow_options.MEMORY_BUDGET
@flow_options.JOBS
@flow_options.QUIET
@switch_options
def coverage(**options: Any) -> None:
    """Tell which policies, rules, peers and ports recorded flows use, and which they never do.

    For each: how many flows it matched, for how many it was the sole reason (without it, their
    verdict would be another), and when it first and last did.

    FLOWS are conntrack dumps (conntrack -L or -E, /proc/net/nf_conntrack) or tables with the
    columns src, dst, protocol and port; plain, .gz or .zst; - is stdin.
    """
    chosen = pop_switches(options)
    request = _Request(chosen=chosen, **options)
    read_once(*inputs_of(request).values())
    check_outputs(request.report, request.output_file, inputs_of(request))
    found = _run(request)
    if "never-hit" in request.fail_on and found.never_hit:
        raise click.exceptions.Exit(EXIT_FINDINGS)


def _run(request: _Request) -> Coverage:
    """Judge everything; the output is opened first, so a bad one is found before the work."""
    with opened(request) as written:
        found, spread = _covered(request, with_spread=written.report is not None)
        written.sink.write(_written(request, found))
        if written.report is not None and spread is not None:
            from netpol.report.html.coverage import sections
            from netpol.report.text.coverage import headline
            from netpol.report.words.unjudged import HERE

            written.report.write(
                "What policies are used for",
                headline(found),
                sections(found, spread.result()),
                found.switches,
                notice=found.unjudged.sentence(HERE),
            )
    return found


def _covered(request: _Request, *, with_spread: bool) -> tuple[Coverage, SpreadWriter | None]:
    """Judge the flows; give their spread, too, where it is asked for: it costs batches."""
    from netpol.questions.coverage.coverage import CoverageEngine

    dns, dns_counts = read_dns_logs(request.dns, strict=request.strict)
    policies, snapshot = read_world(request, dns)
    switches = request.chosen.under(request.chosen.profile)
    compiled = CoverageEngine(
        policies, snapshot, memory_budget=request.memory_budget, **asdict(switches)
    )
    spread = None
    if with_spread:
        from netpol.run.distribution.collect import SpreadWriter

        spread = SpreadWriter(compiled.engine)
    with steps.progress(quiet=request.quiet) as on_batch:
        found = compiled.cover(
            flow_stream(request, gate=bool(request.fail_on)),
            writers=() if spread is None else (spread,),
            jobs=request.jobs,
            on_batch=on_batch,
        )
    need_flows(found.evidence.flows)
    evidence = replace(found.evidence, dns=dns_counts)
    return replace(found, evidence=evidence, profile=request.chosen.profile), spread


def _written(request: _Request, found: Coverage) -> bytes:
    """Return what goes to the output; write the annotated files."""
    files = []
    if request.annotate_dir is not None or request.output == "yaml":
        from netpol.cli.annotate import annotated_files, joined, write_files
        from netpol.report.words.unjudged import HERE

        files = annotated_files(found, quiet=request.quiet)
        if request.annotate_dir is not None:
            write_files(files, request.annotate_dir)
        if request.output == "yaml":
            if found.unjudged and not request.quiet:
                say("warning", found.unjudged.sentence(HERE))
            return steps.shown_source(joined(files), request.output_file)
    if request.output == "json":
        from netpol.report.json import coverage as coverage_json

        return coverage_json.render(found)
    if request.output in CI_FORMATS:
        return _findings(request, found)
    from netpol.report.text import coverage as terminal

    target = steps.text_target(request.output_file)
    return steps.encoded(lambda shown: terminal.render(found, shown), target)


def _findings(request: _Request, found: Coverage) -> bytes:
    import netpol
    from netpol.report.ci.coverage import annotations_of
    from netpol.report.ci.formats import Heading, render
    from netpol.report.words.unjudged import unjudged_counts

    counts = (
        f"{found.evidence.flows:,} flows",
        f"{len(found.never_hit):,} rules never hit",
        *unjudged_counts(found.unjudged),
    )
    gated: frozenset[Level] = frozenset({"warning"} if "never-hit" in request.fail_on else ())
    heading = Heading("coverage", counts, gated=gated, version=netpol.__version__)
    return render(request.output, annotations_of(found), heading).encode()
