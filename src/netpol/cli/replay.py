"""``netpol replay``: judges the flows of logs against policies and reports."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

import click
from click.core import ParameterSource

from netpol.cli.dns import names_domains, read_dns_logs
from netpol.cli.errors import EXIT_FINDINGS, say
from netpol.cli.judge import CompileWith, Outcome, compared, replayed
from netpol.cli.options import (
    CONTEXT,
    ChoiceList,
    ChosenSwitches,
    ProfilePair,
    SectionedCommand,
    Size,
    env_option,
    pop_switches,
    switch_options,
)
from netpol.cli.report import check_report, report_file, report_option
from netpol.errors import ConfigError, ManifestError

if TYPE_CHECKING:
    from netpol.dns.observations import DnsObservations
    from netpol.kube.policies import PolicySet
    from netpol.replay import RecordWriter
    from netpol.switches import Switches

__all__ = ["replay"]

_RECORDS = ("csv", "jsonl", "arrow", "parquet")
_BINARY = ("arrow", "parquet")
_PATH = click.Path(allow_dash=True)

_EXAMPLES = """\b
Examples:
  kubectl get ns,no,po,svc,endpointslices,netpol -A -o json > cluster.json
  conntrack -L -o extended | netpol replay - -c cluster.json
  netpol replay node1.txt node2.txt -c cluster.json -p policies/ --dedup
  netpol replay flows.csv -c cluster.json -o parquet --output-file verdicts.parquet

A snapshot as JSON loads a hundred times faster than as YAML. Exit code: 0 done, 1 --fail-on found
what it names, 2 an error."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What the command line asks for."""

    flows: tuple[str, ...]
    cluster: tuple[str, ...]
    policies: tuple[str, ...]
    dns: tuple[str, ...]
    format: str
    namespace: str
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
    compare_profiles: tuple[str, str] | None
    chosen: ChosenSwitches


@click.command(
    cls=SectionedCommand, context_settings=CONTEXT, epilog=_EXAMPLES, no_args_is_help=True
)
@click.argument("flows", nargs=-1, required=True, type=_PATH)
@env_option(
    "--cluster",
    "-c",
    multiple=True,
    required=True,
    type=_PATH,
    help="Manifests of the cluster: files, directories, - for stdin.  [repeatable]",
)
@env_option(
    "--policies",
    "-p",
    "-f",
    multiple=True,
    type=_PATH,
    help="NetworkPolicies to judge by; without it, those among --cluster.  [repeatable]",
)
@env_option(
    "--dns",
    multiple=True,
    type=_PATH,
    help="What DNS answered, for domainNames: CSV or JSON lines of time, name, address, ttl; or a "
    "log of CoreDNS.  [repeatable]",
)
@env_option(
    "--format",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="Format of the flow logs: auto (by content), conntrack, csv, parquet, arrow.",
)
@env_option(
    "--namespace",
    "-n",
    default="default",
    show_default=True,
    metavar="NAME",
    help="Namespace of policies that name none.",
)
@env_option(
    "--output",
    "-o",
    type=click.Choice(["table", "json", *_RECORDS]),
    metavar="FORMAT",
    default="table",
    show_default=True,
    help="A summary (table, json) or one record per flow (csv, jsonl, arrow, parquet).",
)
@env_option(
    "--output-file",
    type=_PATH,
    help="Write there instead of stdout; the file appears whole or not at all.",
)
@report_option
@env_option(
    "--fail-on",
    type=ChoiceList("deny", "unknown", "differs"),
    default=(),
    metavar="VERDICT[,VERDICT]",
    help="Exit 1 if there is a flow with this verdict: deny, unknown; with --compare-profiles "
    "differs: one that gets two.",
)
@env_option(
    "--compare-profiles",
    type=ProfilePair(),
    metavar="A,B",
    help="Judge by two profiles and list the flows whose verdict differs, and by which switch; "
    "record formats hold these flows alone.",
)
@env_option(
    "--start-zone",
    metavar="ZONE",
    help="Time zone of conntrack's [start=] times, such as Europe/Berlin.",
)
@env_option("--strict", is_flag=True, help="Fail on the first record that cannot be read.")
@env_option("--dedup", is_flag=True, help="Count a connection that several dumps hold only once.")
@env_option(
    "--top",
    type=click.IntRange(min=0),
    metavar="N",
    default=10,
    show_default=True,
    help="Denied and unknown pairs to list.",
)
@env_option(
    "--memory-budget",
    type=Size(),
    default="1GiB",
    show_default=True,
    help="Limit for the compiled tables.",
)
@env_option(
    "--jobs",
    "-j",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Threads that read and judge; the results do not depend on them.",
)
@env_option("--quiet", "-q", is_flag=True, help="No progress, no warnings, no summary on stderr.")
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
    if [path for paths in _inputs(request).values() for path in paths].count("-") > 1:
        raise click.UsageError("stdin (-) can be read only once")
    check_report(request.report, request.output_file)
    comparing = request.compare_profiles is not None
    if set(request.fail_on) - ({"differs"} if comparing else {"deny", "unknown"}):
        raise click.UsageError(
            "--fail-on differs goes with --compare-profiles, deny and unknown without it"
        )
    source = click.get_current_context().get_parameter_source("profile")
    if comparing and source is ParameterSource.COMMANDLINE:
        raise click.UsageError("--profile and --compare-profiles exclude each other")
    if request.output in _BINARY and _to_stdout(request) and sys.stdout.isatty():
        raise click.UsageError(
            f"{request.output} is binary and would garble the terminal; "
            "give --output-file, or pipe it somewhere"
        )


def _inputs(request: _Request) -> dict[str, tuple[str, ...]]:
    """Give what is read, by what it is to the command."""
    return {
        "flows": request.flows,
        "cluster": request.cluster,
        "policies": request.policies,
        "dns": request.dns,
    }


def _to_stdout(request: _Request) -> bool:
    return request.output_file in (None, "-")


def _run(request: _Request) -> Outcome:
    """Judge everything; the output is opened first, so a bad one is found before the work."""
    from netpol.flows.reader import open_flows
    from netpol.report.files import output_file, standard_output

    with contextlib.ExitStack() as stack:
        path = request.output_file
        sink = stack.enter_context(
            standard_output() if path is None or path == "-" else output_file(path)
        )
        report = stack.enter_context(report_file(request.report, _inputs(request)))
        dns, dns_counts = read_dns_logs(request.dns, strict=request.strict)
        compile_with = _compiler(request, dns)
        stream = open_flows(
            request.flows,
            format=request.format,
            strict=request.strict,
            dedup=request.dedup,
            start_zone=request.start_zone,
        )
        writers: list[RecordWriter] = []
        if request.output in _RECORDS:
            from netpol.report.records import record_writer

            writers.append(stack.enter_context(record_writer(request.output, sink)))
        judge = (
            partial(replayed, compile_with, request.chosen)
            if request.compare_profiles is None
            else partial(compared, compile_with, request.chosen, request.compare_profiles)
        )
        with _progress(request) as on_batch:
            outcome = judge(
                stream,
                dns_counts,
                top=request.top,
                writers=writers,
                jobs=request.jobs,
                on_batch=on_batch,
                report=report,
            )
        if request.output == "json":
            sink.write(outcome.as_json())
        elif request.output == "table":
            sink.write(_table(outcome, sys.stdout if _to_stdout(request) else io.StringIO()))
    if request.output in _RECORDS and not request.quiet:
        sys.stderr.write(_table(outcome, sys.stderr).decode(errors="replace"))
    return outcome


def _table(outcome: Outcome, target: TextIO) -> bytes:
    return outcome.as_text(target).encode(target.encoding or "utf-8", errors="backslashreplace")


def _compiler(request: _Request, dns: DnsObservations | None) -> CompileWith:
    """Read cluster and policies; give what compiles them."""
    import netpol
    from netpol.kube.snapshot import read_snapshot

    switches = request.chosen.under(request.chosen.profile)
    with _stdin_twice(request):
        snapshot = replace(read_snapshot(request.cluster, switches=switches), dns=dns)
    policies = _policies(request, switches)
    if not request.quiet:
        for warning in dict.fromkeys((*snapshot.warnings, *policies.warnings)):
            say("warning", warning)
        if dns is not None and not names_domains(policies):
            say("warning", "--dns: no policy has domainNames, so DNS changes no verdict")
    return lambda switches: netpol.compile(
        policies, snapshot, memory_budget=request.memory_budget, **asdict(switches)
    )


def _policies(request: _Request, switches: Switches) -> PolicySet:
    from netpol.kube.policies import read_policies

    try:
        return read_policies(
            request.policies or request.cluster,
            switches=switches,
            namespace=request.namespace,
        )
    except ManifestError as error:
        if request.policies or not error.message.startswith("no network policy"):
            raise
        raise ConfigError(f"{error}; name the policies with --policies") from None


@contextlib.contextmanager
def _stdin_twice(request: _Request) -> Iterator[None]:
    """Keep a snapshot on stdin, so that the policies among it can be read afterwards."""
    if "-" not in request.cluster or request.policies:
        yield
        return
    data = sys.stdin.buffer.read()
    sys.stdin = io.TextIOWrapper(io.BytesIO(data))
    yield
    sys.stdin = io.TextIOWrapper(io.BytesIO(data))


@contextlib.contextmanager
def _progress(request: _Request) -> Iterator[Callable[[int], None] | None]:
    """Show on stderr how far the replay is, if somebody watches."""
    if request.quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} flows"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda records: progress.update(task, completed=records)
