"""Takes the text of a policy file and a ``Coverage``, gives the text with its hits as comments.

Comments are only added at the ends of lines, or, where a line does not end outside of a scalar, on
a line of their own above; nothing else of the text changes. What is added is read again: a text
that would mean anything else is given with all comments on top instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from netpol.model.verdict import Side
from netpol.questions.coverage.coverage import Coverage, PolicyCoverage, RuleCoverage
from netpol.questions.coverage.hits import Hits
from netpol.report.words.safe import escape_controls
from netpol.report.words.wording import count, moment

__all__ = ["annotated", "comments_of"]

_NEWLINE = "\n"
_ENDINGS = "\r\n\x85\u2028\u2029"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def comments_of(coverage: Coverage, file: str) -> dict[int, list[str]]:
    """Return what to say at each line of a file, lines from 1."""
    found: dict[int, list[str]] = {}
    for policy in coverage.policies:
        if policy.file == file:
            for line, text in _policy_comments(policy):
                if line:
                    found.setdefault(line, []).append(escape_controls(text))
    return found


def _policy_comments(policy: PolicyCoverage) -> Iterator[tuple[int | None, str]]:
    denied = [
        f"{side.label} denied {count(policy.side(side).denied)}"
        for side in (Side.EGRESS, Side.INGRESS)
        if policy.side(side).isolates
    ]
    if denied:
        yield policy.line, f"{policy.label}: {', '.join(denied)}"
    for rule in policy.rules:
        yield from _rule_comments(rule)


def _rule_comments(rule: RuleCoverage) -> Iterator[tuple[int | None, str]]:
    """Yield a rule's hits, and those of its elements where they are not the rule's."""
    yield rule.line, f"{rule.name}: {hits_text(rule.hits)}"
    if rule.hits.never:
        return
    for kind in ("peer", "port"):
        elements = [one for one in rule.elements if one.kind == kind]
        for one in elements if len(elements) > 1 else ():
            yield one.line, f"{rule.name}.{one.field}: {hits_text(one.hits)}"


def hits_text(hits: Hits) -> str:
    """Return hits in words: ``1,234 flows, sole reason for 12, last 2026-03-01T10:00:00Z``."""
    if hits.never:
        return "never hit"
    if hits.other_reading:
        return "perhaps hit: in another reading of flows that can be read in several ways"
    words = [f"{count(hits.flows)} {'flow' if hits.flows == 1 else 'flows'}"]
    if hits.possible:
        words.append(f"perhaps {count(hits.possible)} more")
    words.append(f"sole reason for {count(hits.sole)}")
    if hits.last is not None:
        words.append(f"last {moment(hits.last)}")
    return ", ".join(words)


def annotated(text: str, comments: dict[int, list[str]]) -> str:
    """Return the text with comments.

    Parameters
    ----------
    text
        One or several YAML documents that can be read.
    comments
        By line, from 1.
    """
    if not comments:
        return text
    result = "".join(_with_comments(text, comments))
    if _meaning(result) == _meaning(text):
        return result
    ending = "\r\n" if "\r\n" in text else "\n"
    top = (f"# line {line}: {'; '.join(comments[line])}{ending}" for line in sorted(comments))
    return "".join((*top, text))


def _with_comments(text: str, comments: dict[int, list[str]]) -> Iterator[str]:
    lines = text.splitlines(keepends=True)  # all that YAML takes for a line's end
    inside = _inside_scalars(text)
    above: dict[int, list[str]] = {}
    at_end: dict[int, str] = {}
    for line in sorted(comments):
        if line > len(lines):
            continue
        if line not in inside:
            at_end[line] = "; ".join(comments[line])
            continue
        place = line
        while place - 1 in inside:  # the boundary above it lies in a scalar, too
            place -= 1
        above.setdefault(place, []).extend(comments[line])
    for number, whole in enumerate(lines, 1):
        body = whole.rstrip(_ENDINGS)
        ending = whole[len(body) :]
        indent = body[: len(body) - len(body.lstrip(" "))]
        for comment in above.get(number, ()):
            yield f"{indent}# {comment}{ending or _NEWLINE}"
        yield f"{body}  # {at_end[number]}{ending}" if number in at_end else whole


def _inside_scalars(text: str) -> set[int]:
    """Return the lines whose end lies inside a scalar."""
    found: set[int] = set()
    for token in yaml.scan(text, Loader=_Loader):
        if isinstance(token, yaml.ScalarToken):
            found.update(range(token.start_mark.line + 1, token.end_mark.line + 1))
    return found


def _meaning(text: str) -> list[Any] | None:
    """Return the events of a text, without their places; None where it cannot be read."""
    try:
        return [_event(event) for event in yaml.parse(text, Loader=_Loader)]
    except yaml.YAMLError:
        return None


def _event(event: Any) -> tuple[Any, ...]:
    names: Iterable[str] = ("anchor", "tag", "value", "implicit", "explicit")
    return (type(event), *(getattr(event, name, None) for name in names))
