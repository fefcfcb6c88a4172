"""Takes a pair and who decided its flows, gives both in words."""

from __future__ import annotations

from rich.text import Text

from netpol.model.verdict import Reason
from netpol.questions.replay.replay import Credit, Pair
from netpol.report.words.layout import listed, place_of, shown

__all__ = ["decided", "port_text", "why"]

#: Reasons that the rule, or that there is none, says as well.
_SAID_BY_CREDIT = (Reason.NP_IMPLICIT_DENY, Reason.NP_RULE, Reason.CNP_DENY, Reason.CNP_ACCEPT)


def port_text(pair: Pair) -> str:
    """Return ``port/protocol``, or the protocol alone."""
    return pair.protocol if pair.port is None else f"{pair.port}/{pair.protocol}"


def why(pair: Pair, wide: bool) -> Text:
    """Say who decided; where nobody did, the reason alone."""
    lines = [decided(credit, wide) for credit in pair.credits]
    if not lines:
        return Text(pair.reason.label)
    if pair.reason not in _SAID_BY_CREDIT:
        lines.insert(0, Text(pair.reason.label))
    return Text("\n").join(lines)


def decided(credit: Credit, wide: bool) -> Text:
    """Say who decided one side; ``wide`` has room for where the rule stands."""
    if credit.rule is None:
        names = listed(credit.isolating or (credit.policy,), 3 if wide else 1)
        return Text(f"{credit.side.label}: no rule of {names}")
    text = Text(f"{shown(credit.policy)} {credit.side.label}[{credit.rule}]")
    if wide and credit.line is not None:
        text.append(f" ({place_of(credit.file, credit.line)})", style="dim")
    return text
