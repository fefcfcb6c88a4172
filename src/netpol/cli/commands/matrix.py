"""``netpol matrix``: who can reach whom on what, and what strangers may reach."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from netpol.cli import flow_options, steps
from netpol.cli.dns import read_dns_logs
from netpol.cli.errors import say
from netpol.cli.gates import need_pods
from netpol.cli.options import (
    CONTEXT,
    SectionedCommand,
    Size,
    env_option,
    pop_switches,
    switch_options,
)
from netpol.cli.reading import WorldInputs, inputs_of, read_once, read_world
from netpol.cli.report import ReportFile, check_outputs, report_file, report_option
from netpol.model.verdict import Verdict

if TYPE_CHECKING:
    from netpol.engine.engine import Engine
    from netpol.kube.unjudged import Unjudged
    from netpol.questions.reach.exposure import Exposure
    from netpol.questions.reach.matrix import Matrix
    from netpol.report.words.formats import CsvCells

__all__ = ["matrix"]


_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132, "icmp": 1, "ipv6-icmp": 58}
_WITH_PORTS = ("tcp", "udp", "sctp")

_EXAMPLES = """\b
Examples:
  netpol matrix -c cluster.json -p policies/
  netpol matrix -c cluster.json --dst 'data/*' --port 5432/tcp
  netpol matrix -c cluster.json --by namespace -o dot | dot -Tsvg > matrix.svg
  netpol matrix -c cluster.json --exposure
  netpol matrix -c cluster.json -p policies/ --report matrix.html

Exit code: 0 done, 2 an error."""


class PortWord(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.3
    """A port of a protocol, ``443/tcp``, or a protocol without ports, ``icmp``."""

    name = "port"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int | None]:
        """Return the protocol's number and the port."""
        if isinstance(value, tuple):
            return value
        port, slash, protocol = value.rpartition("/")
        protocol = protocol.lower()
        has_ports = protocol in _WITH_PORTS
        number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 65536
        if protocol not in _PROTOCOLS or bool(slash) is not has_ports or (slash and number > 65535):
            self.fail(f"{value!r} is not PORT/PROTOCOL such as 443/tcp, nor icmp", param, ctx)
        return _PROTOCOLS[protocol], number if slash else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request(WorldInputs):
    """What the command line asks for."""

    by: str | None
    src: tuple[str, ...]
    dst: tuple[str, ...]
    port: tuple[int, int | None] | None
    verdict: str | None
    exposure: bool
    output: str
    output_file: str | None
    csv_cells: CsvCells
    report: str | None


@click.command(
    cls=SectionedCommand, context_settings=CONTEXT, epilog=_EXAMPLES, no_args_is_help=True
)
@flow_options.CLUSTER
@flow_options.POLICIES
@flow_options.EXCLUDE
@flow_options.MAX_MANIFEST
@flow_options.DNS
@flow_options.NAMESPACE
@flow_options.IGNORE_KINDS
@env_option(
    "--by",
    type=click.Choice(["workload", "namespace"]),
    help="Who is a row.  [default: workload, with more than 60 of them and none named namespace]",
)
@env_option(
    "--src",
    multiple=True,
    metavar="GLOB",
    help="Only from these: a namespace, a glob of workloads as in 'shop/*', node/NAME, external.  "
    "[repeatable]",
)
@env_option("--dst", multiple=True, metavar="GLOB", help="Only to these.  [repeatable]")
@env_option(
    "--port",
    type=PortWord(),
    metavar="PORT/PROTOCOL",
    help="Only this port, as 443/tcp, or icmp.",
)
@env_option(
    "--verdict",
    type=click.Choice(["allow", "deny", "unknown"]),
    help="Only pairs and ports of which some have this verdict.",
)
@env_option(
    "--exposure",
    is_flag=True,
    help="Instead, what any external address and a pod with any labels in any namespace may "
    "reach of each workload.",
)
@env_option(
    "--output",
    "-o",
    type=click.Choice(["table", "json", "csv", "dot"]),
    metavar="FORMAT",
    default="table",
    show_default=True,
    help="table, json, csv, or dot (a graph).",
)
@flow_options.OUTPUT_FILE
@flow_options.CSV_CELLS
@report_option
@env_option(
    "--memory-budget",
    type=Size(),
    default="1GiB",
    show_default=True,
    help="Limit for the compiled tables, and for those of the matrix.",
)
@env_option("--quiet", "-q", is_flag=True, help="No warnings.")
@switch_options
def matrix(**options: Any) -> None:
    """Tell who can reach whom on what, from the policies alone: no flows are needed.

    Exact, for every pair of pods, nodes and external addresses and every protocol and port; flows
    to services are judged by the pods behind.
    """
    chosen = pop_switches(options)
    request = _Request(chosen=chosen, **options)
    _check(request)
    inputs = inputs_of(request)
    read_once(*inputs.values())
    check_outputs(request.report, request.output_file, inputs)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(steps.opened_output(request.output_file))
        report = stack.enter_context(report_file(request.report, inputs, request.exclude))
        engine = _engine(request)
        need_pods(engine)
        found = _Found(request, engine)
        sink.write(_exposed(request, found) if request.exposure else _matrix(request, found))
        if report is not None:
            _write_report(report, request, found)


def _check(request: _Request) -> None:
    """Refuse what makes no sense before anything is read."""
    steps.refuse_garbage(request.output, request.output_file, request.csv_cells)
    if not request.exposure:
        return
    if request.output == "dot":
        raise click.UsageError("--exposure is no graph; -o table, json or csv")
    if request.src and request.report is None:
        raise click.UsageError("--exposure is about strangers, so --src does not go with it")


def _text(request: _Request, as_text: steps.AsText) -> bytes:
    return steps.encoded(as_text, steps.text_target(request.output_file))


def _engine(request: _Request) -> Any:
    import netpol

    dns, _ = read_dns_logs(request.dns, strict=False)
    switches = request.chosen.under(request.chosen.profile)
    return netpol.compile(
        *read_world(request, dns), memory_budget=request.memory_budget, **asdict(switches)
    )


class _Found:
    """What the output and the page are made of, each worked out when it is needed, once."""

    def __init__(self, request: _Request, engine: Engine) -> None:
        self._engine, self._budget = engine, request.memory_budget
        self.verdict = None if request.verdict is None else Verdict[request.verdict.upper()]
        self._namespace = request.namespace
        self._question = request.by, request.src, request.dst, request.port

    @property
    def unjudged(self) -> Unjudged:
        """What is among the inputs and not judged."""
        unjudged: Unjudged = self._engine.unjudged
        return unjudged

    @cached_property
    def exposures(self) -> tuple[Exposure, ...]:
        from netpol.questions.reach.exposure import exposures

        return exposures(self._engine, memory_budget=self._budget)

    @property
    def asked_exposures(self) -> tuple[Exposure, ...]:
        """Those of the workloads that ``--dst`` names."""
        from netpol.questions.reach.selecting import Selecting

        _, _, globs, _ = self._question
        source = self._engine.source
        selecting = Selecting(
            [one.workload for one in self.exposures],
            "workload",
            self._engine.tables.meta["pods"],
            None if source is None else source[1],
            self._namespace,
        )
        chosen = selecting.chosen("--dst", globs)
        return tuple(
            one for one, is_chosen in zip(self.exposures, chosen, strict=True) if is_chosen
        )

    @cached_property
    def matrix(self) -> Matrix:
        """What was asked for."""
        return self._reachability(self.verdict)

    @cached_property
    def whole(self) -> Matrix:
        """The same whatever the verdict."""
        return self.matrix if self.verdict is None else self._reachability(None)

    def _reachability(self, verdict: Verdict | None) -> Matrix:
        from netpol.questions.reach.matrix import Question, reachability

        question = Question(*self._question, verdict, self._namespace)
        return reachability(self._engine, question, memory_budget=self._budget)


def _matrix(request: _Request, found: _Found) -> bytes:
    from netpol.report.json import matrix as matrix_json
    from netpol.report.records import matrix as matrix_csv
    from netpol.report.records import matrix_dot
    from netpol.report.text import matrix as terminal

    if request.output == "table":
        denied = found.verdict is Verdict.DENY
        return _text(request, lambda target: terminal.render(found.matrix, target, denied=denied))
    if request.output != "json":
        _say_unjudged(request, found)
    if request.output == "csv":
        return matrix_csv.render(found.matrix, request.csv_cells)
    if request.output == "dot":
        return matrix_dot.render(found.matrix)
    return matrix_json.render(found.matrix)


def _say_unjudged(request: _Request, found: _Found) -> None:
    """Say beside rows, which cannot, what they leave out."""
    from netpol.report.words.unjudged import HERE

    if found.unjudged and not request.quiet:
        say("warning", found.unjudged.sentence(HERE))


def _exposed(request: _Request, found: _Found) -> bytes:
    from netpol.report.json import matrix as matrix_json
    from netpol.report.records import matrix as matrix_csv
    from netpol.report.text import matrix as terminal

    exposures = found.asked_exposures
    if request.output == "table":
        return _text(
            request,
            lambda target: terminal.render_exposures(exposures, found.unjudged, target),
        )
    if request.output == "json":
        return matrix_json.render_exposures(exposures, found.unjudged)
    _say_unjudged(request, found)
    return matrix_csv.render_exposures(exposures, request.csv_cells)


def _write_report(report: ReportFile, request: _Request, found: _Found) -> None:
    from netpol.report.html.matrix import headline, sections
    from netpol.report.words.unjudged import HERE

    report.write(
        "Who can reach whom",
        headline(found.matrix),
        sections(
            found.matrix,
            found.exposures,
            whole=found.whole,
            denied=found.verdict is Verdict.DENY,
        ),
        asdict(request.chosen.under(request.chosen.profile)),
        notice=found.unjudged.sentence(HERE),
    )
