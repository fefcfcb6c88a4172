"""What a gate must have seen before it may pass: ``--max-skipped``, and flows at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from netpol.cli.options import env_option
from netpol.model.errors import ConfigError, FlowError, SnapshotError

if TYPE_CHECKING:
    from netpol.engine.engine import Engine
    from netpol.flows.limits import SkipLimit

__all__ = [
    "GATE_LIMIT",
    "MAX_SKIPPED",
    "NO_PODS",
    "Limit",
    "need_flows",
    "need_pods",
    "skip_limit_of",
]

#: What ``--max-skipped`` is with ``--fail-on`` where nobody says otherwise: a line that was cut off
#: while a dump was written is no reason to stop, a column that another tool writes differently is.
GATE_LIMIT = "1%"


#: Why nothing can be said without flows.
NO_PODS = (
    "nothing to judge: no pod of the snapshot that policies select has an address "
    "(status.podIPs of pods that are not hostNetwork, and have not ended)"
)


class Limit(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.3
    """A number of records, or a share of them."""

    name = "limit"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> SkipLimit:
        """Return the limit."""
        from netpol.flows.limits import SkipLimit, skip_limit

        if isinstance(value, SkipLimit):
            return value
        try:
            return skip_limit(value)._replace(named="--max-skipped allows")
        except ConfigError:
            self.fail(f"{value!r} is not a number of records, or a share such as 1%", param, ctx)


MAX_SKIPPED = env_option(
    "--max-skipped",
    type=Limit(),
    metavar="N|N%",
    help="Exit 2 if more records of the flow logs than this could not be read: a number, or a "
    f"share of all records.  [default: no limit; with --fail-on {GATE_LIMIT}]",
)


def skip_limit_of(chosen: SkipLimit | None, *, gate: bool) -> SkipLimit | None:
    """Return the limit that was chosen, else that of gates; None: there is none."""
    if chosen is not None or not gate:
        return chosen
    from netpol.flows.limits import skip_limit

    named = "--max-skipped allows with --fail-on, unless it is set"
    return skip_limit(GATE_LIMIT)._replace(named=named)


def need_pods(engine: Engine) -> None:
    """Refuse to say who reaches whom where no pod has an address; raises ``SnapshotError``."""
    if not engine.endpoints.has_pods:
        raise SnapshotError(NO_PODS)


def need_flows(flows: int) -> None:
    """Refuse to say anything of no flows; raises ``FlowError``."""
    if flows == 0:
        raise FlowError("nothing judged: the records stand for no flow (column flows is 0)")
