"""Options of every command that judges flows; each is a decorator."""

from __future__ import annotations

import click
from click.core import ParameterSource

from netpol.cli.ignore_kinds import ignore_kinds_option
from netpol.cli.names import Namespace
from netpol.cli.options import OutputPath, Size, env_option
from netpol.report.words.formats import CSV_CELLS as CSV_CELLS_WAYS

__all__ = [
    "CLUSTER",
    "CSV_CELLS",
    "DEDUP",
    "DNS",
    "EXCLUDE",
    "FLOWS",
    "FORMAT",
    "IGNORE_KINDS",
    "JOBS",
    "MAX_MANIFEST",
    "MEMORY_BUDGET",
    "NAMESPACE",
    "ONE_WAY",
    "OUTPUT_FILE",
    "PATH",
    "POLICIES",
    "QUIET",
    "START_ZONE",
    "STRICT",
]

PATH = click.Path(allow_dash=True)

FLOWS = click.argument("flows", nargs=-1, required=True, type=PATH)
CLUSTER = env_option(
    "--cluster",
    "-c",
    multiple=True,
    required=True,
    type=PATH,
    help="Manifests of the cluster: files, directories, - for stdin.  [repeatable]",
)
POLICIES = env_option(
    "--policies",
    "-p",
    "-f",
    multiple=True,
    type=PATH,
    help="Policies to judge by; without it, those among --cluster.  [repeatable]",
)

DNS = env_option(
    "--dns",
    multiple=True,
    type=PATH,
    help="What DNS answered, for domainNames: CSV or JSON lines of time, name, address, ttl; or a "
    "log of CoreDNS.  [repeatable]",
)
FORMAT = env_option(
    "--format",
    default="auto",
    show_default=True,
    metavar="NAME",
    help="Format of the flow logs: auto (by content), conntrack, csv, parquet, arrow.",
)
NAMESPACE = env_option(
    "--namespace",
    "-n",
    default="default",
    show_default=True,
    metavar="NAME",
    type=Namespace(),
    help="Namespace of policies and of objects of the cluster that name none.",
)
EXCLUDE = env_option(
    "--exclude",
    multiple=True,
    metavar="GLOB",
    help="Leave files and folders out of directories, of the cluster too: a name anywhere (tests), "
    "or with a slash a path from the directory or as messages show it (base/**/old-*).  "
    "[repeatable]",
)
IGNORE_KINDS = ignore_kinds_option


def _limit_manifests(ctx: click.Context, _: click.Parameter, size: int) -> None:
    if ctx.get_parameter_source("max_manifest") is not ParameterSource.DEFAULT:
        from netpol.kube.read.content import manifest_limit  # as long to import as all else here

        ctx.with_resource(manifest_limit(size))


#: In force as long as the command runs; it has no parameter for it.
MAX_MANIFEST = env_option(
    "--max-manifest",
    type=Size(),
    default="2GiB",
    show_default=True,
    expose_value=False,
    is_eager=True,
    callback=_limit_manifests,
    help="Limit for one manifest, unpacked, and for those of a git revision together.",
)
OUTPUT_FILE = env_option(
    "--output-file",
    type=OutputPath(allow_dash=True),
    help="Write there instead of stdout; the file appears whole or not at all.",
)
CSV_CELLS = env_option(
    "--csv-cells",
    type=click.Choice(CSV_CELLS_WAYS),
    default=CSV_CELLS_WAYS[0],
    show_default=True,
    help="With -o csv: escape what cannot be seen, and put ' before what a spreadsheet would take "
    "for a formula (safe), or write every text to the letter (exact).",
)
START_ZONE = env_option(
    "--start-zone",
    metavar="ZONE",
    help="Time zone of conntrack's [start=] times, and of times in tables that say none, such as "
    "Europe/Berlin.",
)
ONE_WAY = env_option(
    "--one-way",
    is_flag=True,
    help="Every row of a table is of who began its connection: do not refuse one whose rows look "
    "like answers.",
)
STRICT = env_option("--strict", is_flag=True, help="Fail on the first record that cannot be read.")
DEDUP = env_option(
    "--dedup", is_flag=True, help="Count a connection that several dumps hold only once."
)
MEMORY_BUDGET = env_option(
    "--memory-budget",
    type=Size(),
    default="1GiB",
    show_default=True,
    help="Limit for the compiled tables.",
)
JOBS = env_option(
    "--jobs",
    "-j",
    type=click.IntRange(min=1, max=1024),
    default=2,
    show_default=True,
    help="Threads that read and judge, at most as many as processors (or 4); the results do not "
    "depend on them.",
)
QUIET = env_option(
    "--quiet", "-q", is_flag=True, help="No progress, no warnings, no summary on stderr."
)
