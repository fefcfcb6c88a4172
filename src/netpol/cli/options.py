"""Options that several commands share: switches, and values with units."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any, NamedTuple, get_args, get_type_hints

import click
from click.core import ParameterSource

from netpol.cli.ignore_kinds import spelled_out
from netpol.model.profiles import PROFILES, switches_of
from netpol.model.switches import Switches

__all__ = [
    "ARGUMENTS",
    "CONTEXT",
    "ChoiceList",
    "ChosenSwitches",
    "NetpolCommand",
    "OutputPath",
    "PathOrRevision",
    "ProfilePair",
    "SectionedCommand",
    "Size",
    "SwitchOption",
    "env_option",
    "pop_switches",
    "switch_options",
]

_SWITCH_HELP = {
    "host_network": "What a hostNetwork pod is: its node, or a pod that policies select.",
    "own_node_ingress": "Whether a pod always accepts its own node (health checks).",
    "own_node_egress": "Whether a pod may always reach its own node.",
    "node_port_egress": "What egress policies see where a pod dials a port of another node: the "
    "node, the pod behind it, or not known.",
    "np_service_hairpin": "Whether a pod may always reach itself through a service.",
    "ipblock_scope": "What an ipBlock may match: anything, no pod, or no pod and no node.",
    "other_protocols": "Protocols other than TCP, UDP and SCTP: matched by rules without ports, "
    "never filtered, or unknown.",
    "named_port_init": "Which init containers' port names count.",
    "cnp_tie": "Policies of one tier and priority that decide differently: the first by name, with "
    "a note; an error; or unknown.",
    "baseline_gate": "Whether a NetworkPolicy switches the baseline tier off in the directions it "
    "governs, or in both.",
    "missing_namespace": "A namespace not in the snapshot: labels unknown, or its name alone.",
    "strict_cidr": "A CIDR with host bits set.",
    "unknown_fields": "A field of a policy that the API does not know.",
}

_SWITCH_TITLE = "Switches, for behaviour that Kubernetes leaves open"

#: For every command: click remembers a command's help option by the context it first ran in, so a
#: command that is run on its own must know it as well as the group does.
CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

#: Where ``main`` keeps the words of the command line, in ``click.Context.meta``.
ARGUMENTS = "netpol.arguments"

_SIZE_FLAGS = re.IGNORECASE | re.ASCII
_LARGEST = (1 << 63) - 1  # bytes

_Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def env_option(*names: str, **attributes: Any) -> _Decorator:
    """Return a click option that ``NETPOL_`` and its long name in capitals sets as well."""
    long = next(name for name in reversed(names) if name.startswith("--"))
    variable = "NETPOL_" + long.partition("/")[0].removeprefix("--").replace("-", "_").upper()
    return click.option(*names, envvar=variable, **attributes)


def switch_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for every switch (docs/specification.md has the item of each)."""
    hints = get_type_hints(Switches)
    command = env_option(
        "--node-address",
        cls=SwitchOption,
        multiple=True,
        metavar="NODE=IP",
        help="A further address of a node.  [repeatable]",
    )(command)
    for field in reversed(fields(Switches)):
        if field.name != "node_addresses":
            choices = get_args(hints[field.name])
            command = env_option(
                "--" + field.name.replace("_", "-"),
                cls=SwitchOption,
                metavar="WORD",
                type=click.Choice(choices),
                default=field.default,
                show_default=True,
                help=f"{_SWITCH_HELP[field.name]}  [{'|'.join(choices)}]",
            )(command)
    return env_option(
        "--profile",
        cls=SwitchOption,
        metavar="NAME",
        type=click.Choice(list(PROFILES)),
        default="spec",
        show_default=True,
        help="Switches as an implementation has them; those set beside it win.  "
        f"[{'|'.join(PROFILES)}]",
    )(command)


class ChosenSwitches(NamedTuple):
    """A profile, and the switches that were set beside it: by option, environment or file."""

    profile: str
    explicit: dict[str, Any]

    def under(self, profile: str) -> Switches:
        """Return all switches as they are under a profile."""
        return switches_of(profile, **self.explicit)


def pop_switches(options: dict[str, Any]) -> ChosenSwitches:
    """Take the profile and the switches out of the running command's options."""
    pairs = []
    for text in options.pop("node_address"):
        node, equals, address = text.partition("=")
        if not (node and equals and address and address.isascii()):
            raise click.BadParameter(f"{text!r} is not NODE=IP", param_hint="'--node-address'")
        pairs.append((node, address))
    names = [field.name for field in fields(Switches) if field.name != "node_addresses"]
    source = click.get_current_context().get_parameter_source
    given = {name: options.pop(name) for name in names}
    explicit = {k: v for k, v in given.items() if source(k) is not ParameterSource.DEFAULT}
    if pairs:
        explicit["node_addresses"] = tuple(pairs)
    return ChosenSwitches(options.pop("profile"), explicit)


class SwitchOption(click.Option):
    """An option that stands in its own section of the help."""


class NetpolCommand(click.Command):
    """A command whose ``--ignore-kinds`` may stand alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words of the command line."""
        return super().parse_args(ctx, spelled_out(args))


class SectionedCommand(NetpolCommand):
    """A command whose switches are listed apart from its everyday options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the options in two sections."""
        everyday: list[tuple[str, str]] = []
        switches: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if isinstance(param, click.Option) and record is not None:
                (switches if isinstance(param, SwitchOption) else everyday).append(record)
        for title, records in (("Options", everyday), (_SWITCH_TITLE, switches)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Size(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.3
    """A number of bytes such as ``512MiB``, ``1G`` or ``1000000``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes."""
        value = str(value)
        match = re.fullmatch(r"\s*(\d{1,15})\s*(?:([kmgt])(i?)b?|b)?\s*", value, _SIZE_FLAGS)
        if match is None:
            self.fail(f"{value!r} is not a size such as 512MiB or 1G", param, ctx)
        number, unit, binary = match.groups()
        base = 1024 if binary else 1000
        size = int(number) * (base ** ("kmgt".index(unit.lower()) + 1) if unit else 1)
        if not size:
            self.fail("a size is more than nothing", param, ctx)
        if size > _LARGEST:
            self.fail(f"{value!r} is more than there can be", param, ctx)
        return size


class OutputPath(click.Path):
    """Where to write. A settings file that nobody named cannot set it."""


class PathOrRevision(click.ParamType):  # type: ignore[type-arg]
    """A path, a git revision, or ``none``; what exists as a path is one."""

    name = "path or revision"


class ChoiceList(click.ParamType):  # type: ignore[type-arg]
    """Some of a few words, apart by commas."""

    name = "list"

    def __init__(self, *choices: str) -> None:
        self._choices = choices

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the words, each checked."""
        words = value.split(",") if isinstance(value, str) else value
        picked = tuple(word.strip().lower() for word in words)
        for word in picked:
            if word not in self._choices:
                self.fail(f"{word!r} is not one of {', '.join(self._choices)}", param, ctx)
        return picked


class ProfilePair(click.ParamType):  # type: ignore[type-arg]
    """Two profiles, apart by a comma."""

    name = "profiles"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the two names, each checked."""
        names = ChoiceList(*PROFILES).convert(value, param, ctx)
        if len(set(names)) != 2 or len(names) != 2:
            self.fail(f"{value!r} is not two different profiles, as in calico,cilium", param, ctx)
        return names
