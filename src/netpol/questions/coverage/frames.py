"""Takes a ``Coverage``, gives it as an Arrow table, a data frame, or HTML for a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib import import_module
from typing import TYPE_CHECKING, Any

from netpol.model.text import encodable, escape_controls
from netpol.questions.coverage.hits import Hits

if TYPE_CHECKING:
    import pyarrow as pa

    from netpol.questions.coverage.coverage import Coverage, PolicyCoverage, RuleCoverage

__all__ = ["as_pandas", "as_polars", "coverage_html", "coverage_table"]

_HTML_ROWS = 100


def coverage_table(coverage: Coverage) -> pa.Table:
    """Return a row per rule and one per element, elements after their rule."""
    import pyarrow as pa

    moment = pa.timestamp("ns", tz="UTC")
    schema = pa.schema(
        [
            ("policy", pa.string()),
            ("kind", pa.string()),
            ("side", pa.string()),
            ("rule", pa.int32()),
            ("element", pa.string()),
            ("text", pa.string()),
            ("flows", pa.uint64()),
            ("possible", pa.uint64()),
            ("sole", pa.uint64()),
            ("first", moment),
            ("last", moment),
            ("other_reading", pa.bool_()),
            ("never_hit", pa.bool_()),
            ("file", pa.string()),
            ("line", pa.int32()),
        ]
    )
    return pa.Table.from_pylist(list(_rows(coverage)), schema=schema)


def _rows(coverage: Coverage) -> Iterator[dict[str, Any]]:
    for policy in coverage.policies:
        for rule in policy.rules:
            common = _common(policy, rule)
            yield {**common, "line": rule.line, **_counts(rule.hits)}
            for one in rule.elements:
                place = {"element": one.field, "text": one.text, "line": one.line}
                yield {**common, **place, **_counts(one.hits)}


def _common(policy: PolicyCoverage, rule: RuleCoverage) -> dict[str, Any]:
    return {
        "policy": policy.label,
        "kind": policy.kind,
        "side": rule.side.label,
        "rule": rule.index,
        "file": None if policy.file is None else encodable(policy.file),
    }


def _counts(hits: Hits) -> dict[str, Any]:
    most = (1 << 64) - 1
    return {
        "flows": min(hits.flows, most),
        "possible": min(hits.possible, most),
        "sole": min(hits.sole, most),
        "first": hits.first,
        "last": hits.last,
        "other_reading": hits.other_reading,
        "never_hit": hits.never,
    }


def as_pandas(table: pa.Table) -> Any:
    """Return a table as a pandas frame.

    Raises
    ------
    ImportError
        pandas is not installed; the message says what to do.
    """
    try:
        import_module("pandas")
    except ImportError as error:
        raise ImportError("to_pandas needs pandas: pip install pandas") from error
    return table.to_pandas()


def as_polars(table: pa.Table) -> Any:
    """Return a table as a polars frame.

    Raises
    ------
    ImportError
        polars is not installed; the message says what to do.
    """
    try:
        polars = import_module("polars")
    except ImportError as error:
        raise ImportError("to_polars needs polars: pip install polars") from error
    return polars.from_arrow(table)


def coverage_html(coverage: Coverage) -> str:
    """Return the rules as an HTML table, the first 100; every name is escaped."""
    rules = [(policy, rule) for policy in coverage.policies for rule in policy.rules]
    head = "".join(f"<th>{name}</th>" for name in ("policy", "rule", "flows", "sole", "where"))
    rows = []
    for policy, rule in rules[:_HTML_ROWS]:
        where = f"{policy.file or ''}:{rule.line}" if rule.line else policy.file or ""
        cells = (
            policy.label,
            rule.name,
            "never hit" if rule.hits.never else f"{rule.hits.flows:,}",
            f"{rule.hits.sole:,}",
            where,
        )
        rows.append(
            "<tr>"
            + "".join(f"<td>{escape(escape_controls(cell))}</td>" for cell in cells)
            + "</tr>"
        )
    never = len(coverage.never_hit)
    left = len(rules) - len(rows)
    more = f"<p>and {left:,} more rules</p>" if left else ""
    return (
        f"<p>{coverage.evidence.flows:,} flows; {never:,} of {len(rules):,} rules never hit</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>{more}"
    )
