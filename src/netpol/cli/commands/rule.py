"""``netpol rule``: what a code of ``netpol check`` means, why, and how it is mended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from netpol.cli.options import CONTEXT
from netpol.cli.steps import print_text
from netpol.io.terminal import size_of

if TYPE_CHECKING:
    from netpol.lint.catalogue.rule import Rule

__all__ = ["rule"]

#: Raised when a field changes its meaning or goes; new fields do not raise it.
SCHEMA_VERSION = 1

_EXAMPLES = """\b
Examples:
  netpol rule service-port
  netpol rule dns
  netpol rule --all"""


@click.command(context_settings=CONTEXT, epilog=_EXAMPLES, no_args_is_help=True)
@click.argument("codes", nargs=-1, metavar="CODE...")
@click.option("--all", "everything", is_flag=True, help="List all codes, a line each.")
@click.option(
    "--output",
    "-o",
    type=click.Choice(["text", "json", "markdown"]),
    metavar="FORMAT",
    default="text",
    show_default=True,
    envvar="NETPOL_RULE_OUTPUT",
    help="For a person (text), as one JSON document (json) or as Markdown (markdown).",
)
@click.pass_context
def rule(ctx: click.Context, codes: tuple[str, ...], everything: bool, output: str) -> None:
    """Explain a code that netpol check gives: what it means, why, an example, and it mended.

    CODE is a code, or the first words of several: dns means all that begin with dns-.
    """
    from netpol.lint.catalogue import RULES, codes_named

    if bool(codes) is everything:
        raise click.UsageError("name a code, or give --all", ctx)
    named = frozenset().union(*(codes_named(word) for word in codes)) if codes else {*RULES}
    found = [each for code, each in RULES.items() if code in named]
    print_text(_written(found, output, everything))


def _written(rules: list[Rule], output: str, everything: bool) -> str | bytes:
    from netpol.lint.catalogue.text import as_markdown, as_text

    if output == "json":
        from netpol.report.json.document import written

        document = {"schema_version": SCHEMA_VERSION, "rules": [_json(each) for each in rules]}
        return written(document)
    if output == "markdown":
        return "\n".join(f"### `{r.code}`\n\n{r.summary}.\n\n{as_markdown(r)}" for r in rules)
    if everything:
        return _table(rules)
    width = min(size_of(sys.stdout).columns, 100)
    return ("\n" + "-" * width + "\n\n").join(as_text(each, width) for each in rules)


def _table(rules: list[Rule]) -> str:
    from netpol.lint.catalogue.rule import plain
    from netpol.lint.catalogue.text import needs_in_words

    wide = max(len(each.code) for each in rules)
    lines = []
    for each in rules:
        needs = needs_in_words(each)
        suffix = f" ({needs})" if needs else ""
        lines.append(f"{each.code:<{wide}}  {each.severity:<7}  {plain(each.summary)}{suffix}")
    return "\n".join(lines) + "\n"


def _json(found: Rule) -> dict[str, Any]:
    from netpol.lint.catalogue.rule import plain

    return {
        "code": found.code,
        "severity": found.severity,
        "needs": found.needs,
        "silenced": found.silenced,
        "summary": plain(found.summary),
        "why": plain(found.why),
        "example": found.example or None,
        "mended": found.mended or None,
    }
