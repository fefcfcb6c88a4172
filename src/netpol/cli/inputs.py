"""Options and arguments that every command has which judges logs: what to read, and how."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from netpol.cli.options import Size, env_option

__all__ = ["PATH", "input_options", "log_options", "run_options"]

PATH = click.Path(allow_dash=True)

_Command = Callable[..., Any]

_INPUTS = (
    click.argument("flows", nargs=-1, required=True, type=PATH),
    env_option(
        "--cluster",
        "-c",
        multiple=True,
        required=True,
        type=PATH,
        help="Manifests of the cluster: files, directories, - for stdin.  [repeatable]",
    ),
    env_option(
        "--policies",
        "-p",
        "-f",
        multiple=True,
        type=PATH,
        help="NetworkPolicies to judge by; without it, those among --cluster.  [repeatable]",
    ),
    env_option(
        "--dns",
        multiple=True,
        type=PATH,
        help="What DNS answered, for domainNames: CSV or JSON lines of time, name, address, ttl; "
        "or a log of CoreDNS.  [repeatable]",
    ),
    env_option(
        "--format",
        default="auto",
        show_default=True,
        metavar="NAME",
        help="Format of the flow logs: auto (by content), conntrack, csv, parquet, arrow.",
    ),
    env_option(
        "--namespace",
        "-n",
        default="default",
        show_default=True,
        metavar="NAME",
        help="Namespace of policies that name none.",
    ),
)

_LOGS = (
    env_option(
        "--start-zone",
        metavar="ZONE",
        help="Time zone of conntrack's [start=] times, such as Europe/Berlin.",
    ),
    env_option("--strict", is_flag=True, help="Fail on the first record that cannot be read."),
    env_option(
        "--dedup", is_flag=True, help="Count a connection that several dumps hold only once."
    ),
)

_RUN = (
    env_option(
        "--memory-budget",
        type=Size(),
        default="1GiB",
        show_default=True,
        help="Limit for the compiled tables.",
    ),
    env_option(
        "--jobs",
        "-j",
        type=click.IntRange(min=1),
        default=2,
        show_default=True,
        help="Threads: with 2, logs are read while flows are judged.",
    ),
    env_option(
        "--quiet", "-q", is_flag=True, help="No progress, no warnings, no summary on stderr."
    ),
)


def _added(options: tuple[Callable[[_Command], _Command], ...], command: _Command) -> _Command:
    for option in reversed(options):
        command = option(command)
    return command


def input_options(command: _Command) -> _Command:
    """Add the flow logs, and options for cluster, policies, DNS logs and their reading."""
    return _added(_INPUTS, command)


def log_options(command: _Command) -> _Command:
    """Add options for how records of the logs are taken."""
    return _added(_LOGS, command)


def run_options(command: _Command) -> _Command:
    """Add options for memory, threads and what goes to stderr."""
    return _added(_RUN, command)
