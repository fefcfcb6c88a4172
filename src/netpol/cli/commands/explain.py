"""``netpol explain``: tells why one flow is judged so, and what would change it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from netpol.cli import flow_options
from netpol.cli.dns import read_dns_logs
from netpol.cli.errors import EXIT_FINDINGS
from netpol.cli.names import Namespace, require_known
from netpol.cli.options import (
    CONTEXT,
    ChoiceList,
    SectionedCommand,
    env_option,
    pop_switches,
    switch_options,
)
from netpol.cli.reading import read_cluster, warn
from netpol.cli.steps import policies_of, print_text
from netpol.io.terminal import takes_escapes

if TYPE_CHECKING:
    from netpol.cli.options import ChosenSwitches
    from netpol.explain.replicas import Replicas
    from netpol.kube.unjudged import Unjudged
    from netpol.model.switches import Switches
    from netpol.reference import ReferenceEvaluator

__all__ = ["explain"]


_COLOURS = {"allow": "green", "deny": "red", "unknown": "yellow"}

_EXAMPLES = """\b
Examples:
  netpol explain shop/web-0 data/db-0 6379 -c cluster.json -p policies/
  netpol explain deployment/web svc/api http -n shop -c cluster.json
  netpol explain 203.0.113.7 shop/deployment/api 8080/tcp -c cluster.json
  netpol explain shop/web-0 node/n1 icmp -c cluster.json -o json

Exit code: 0 judged, 1 --fail-on names the verdict, 2 an error."""


@click.command(
    cls=SectionedCommand, context_settings=CONTEXT, epilog=_EXAMPLES, no_args_is_help=True
)
@click.argument("src")
@click.argument("dst")
@click.argument("port", metavar="PORT[/PROTOCOL]")
@flow_options.CLUSTER
@flow_options.POLICIES
@flow_options.EXCLUDE
@flow_options.MAX_MANIFEST
@env_option(
    "--dns",
    multiple=True,
    type=flow_options.PATH,
    help="What DNS answered, for domainNames.  [repeatable]",
)
@env_option(
    "--namespace",
    "-n",
    default="default",
    show_default=True,
    metavar="NAME",
    type=Namespace(),
    help="Namespace of SRC, DST, policies and objects of the cluster that name none.",
)
@flow_options.IGNORE_KINDS
@click.option(
    "--output",
    "-o",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    envvar="NETPOL_EXPLAIN_OUTPUT",
    help="Text for a person, or one JSON document.",
)
@click.option(
    "--time",
    metavar="TIME",
    envvar="NETPOL_EXPLAIN_TIME",
    help="When the flow was, as 2026-01-31T12:00:00Z: who had an address then.",
)
@click.option(
    "--family",
    type=click.Choice(["4", "6"]),
    envvar="NETPOL_EXPLAIN_FAMILY",
    help="IPv4 or IPv6 where both ends have both.  [default: 4]",
)
@click.option(
    "--fail-on",
    type=ChoiceList("deny", "unknown"),
    default=(),
    metavar="VERDICT[,VERDICT]",
    envvar="NETPOL_EXPLAIN_FAIL_ON",
    help="Exit 1 if this is the verdict, of any pods of a workload: deny, unknown.",
)
@env_option("--quiet", "-q", is_flag=True, help="No warnings.")
@switch_options
def explain(**options: Any) -> None:
    """Tell step by step why a flow from SRC to DST is judged so, and what would change it.

    SRC and DST are pods (NAMESPACE/NAME, pod/NAME), workloads (deployment/NAME,
    NAMESPACE/deployment/NAME), nodes (node/NAME) or addresses; DST may be a service (svc/NAME).
    PORT is a number or a name that DST declares, of TCP unless it says /udp or /sctp; or icmp.

    A workload is explained for its first live pod, and judged for all. What is said to flip the
    verdict was tried on a copy of the objects.
    """
    chosen = pop_switches(options)
    switches = chosen.under(chosen.profile)
    inputs = (*options["cluster"], *options["policies"], *options["dns"])
    if inputs.count("-") > 1:
        raise click.UsageError("stdin (-) can be read only once")
    evaluator, unjudged = _evaluator(switches, chosen, **options)
    replicas = _judged(evaluator, **options)
    from netpol.explain.explain import explanation_of

    explanation = explanation_of(evaluator, replicas.flows[0].flow)
    if options["output"] == "json":
        from netpol.report.json.explain import render

        print_text(render(explanation, replicas, unjudged))
    else:
        from netpol.explain.story_text import written

        text = written(explanation, _paint()) + _appendix(replicas, unjudged)
        print_text(text)
    if {outcome.verdict.label for outcome in replicas.outcomes} & set(options["fail_on"]):
        raise click.exceptions.Exit(EXIT_FINDINGS)


def _evaluator(
    switches: Switches, chosen: ChosenSwitches, **options: Any
) -> tuple[ReferenceEvaluator, Unjudged]:
    """Read everything; give what judges, and what is among the inputs and is not judged."""
    from netpol.reference import ReferenceEvaluator

    cluster, policies, exclude = options["cluster"], options["policies"], options["exclude"]
    namespace = options["namespace"]
    dns, _ = read_dns_logs(options["dns"], strict=False)
    snapshot = read_cluster(
        cluster, switches, dns, namespace=namespace, policies=not policies, exclude=exclude
    )
    require_known([snapshot], namespace, chosen)
    read = policies_of(
        policies,
        cluster,
        switches=switches,
        namespace=namespace,
        exclude=exclude,
        ignore_kinds=options["ignore_kinds"],
    )
    if not options["quiet"]:
        warn([snapshot], [read], dns)
    return ReferenceEvaluator(read, snapshot, switches), read.unjudged | snapshot.unjudged


def _judged(evaluator: ReferenceEvaluator, **options: Any) -> Replicas:
    """Find the ends, and judge every pair of pods that they stand for."""
    from netpol.explain.named_flows import flows_between, read_port
    from netpol.explain.names import Names
    from netpol.explain.replicas import Replicas

    port, time = read_port(options["port"]), _time(options["time"])
    names = Names(evaluator.snapshot, evaluator.identities, options["namespace"])
    ends = names.find(options["src"]), names.find(options["dst"])
    family = None if options["family"] is None else int(options["family"])
    flows, pairs = flows_between(*ends, port, family, time)
    outcomes = [evaluator.judge(asked.flow) for asked in flows]
    return Replicas(ends, flows, outcomes, pairs)


def _time(text: str | None) -> int | None:
    if text is None:
        return None
    from netpol.kube.api.times import NOT_A_TIME, parse_time

    time = parse_time(text)
    if time is None:
        raise click.BadParameter(f"{text!r} {NOT_A_TIME}", param_hint="'--time'")
    return time


def _paint() -> Any:
    coloured = takes_escapes(sys.stdout)

    def paint(text: str, tone: str) -> str:
        if not coloured or not tone:
            return text
        return click.style(text, fg=_COLOURS.get(tone), dim=tone == "faint" or None)

    return paint


def _appendix(replicas: Replicas, unjudged: Unjudged) -> str:
    """Return what workloads, unknown verdicts and what is not judged call for beside the story."""
    from netpol.explain.story_text import wrapped
    from netpol.report.words.safe import escape_controls
    from netpol.report.words.unjudged import HERE
    from netpol.report.words.wording import settled_by
    from netpol.run.sums import SourceNat

    lines = [escape_controls(line) for line in replicas.lines()]
    sources = SourceNat.of(replicas.flows[0].flow)
    settled = settled_by(replicas.outcomes[0].reason, sources)
    if settled is not None:
        lines[:0] = wrapped(f"settled by {settled}")
    if unjudged:
        lines.append(escape_controls(unjudged.sentence(HERE)))
    return "\n" + "\n".join(lines) + "\n" if lines else ""
