"""Takes what is known of a code, gives it as text for a terminal or as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from netpol.lint.catalogue.rule import Rule, plain

__all__ = ["as_markdown", "as_text", "needs_in_words"]

_NEEDS = {
    "policies": "",
    "cluster": "with --cluster",
    "compiled": "with --cluster, without errors",
}


def needs_in_words(rule: Rule) -> str:
    """Say what has to be given for a code to be looked for; empty if nothing more."""
    return _NEEDS[rule.needs]


def as_text(rule: Rule, width: int = 80) -> str:
    """Return all that is known of a code.

    As lines of at most ``width`` where they can be broken.
    """
    needs = needs_in_words(rule)
    title = f"{rule.code} ({rule.severity}{', ' + needs if needs else ''})"
    parts = [title, _filled(rule.summary, width), _filled(rule.why, width)]
    parts += [f"{name}:\n\n{textwrap.indent(text.rstrip(), '  ')}" for name, text in _yaml(rule)]
    parts.append(_filled(_how(rule), width))
    return "\n\n".join(parts) + "\n"


def as_markdown(rule: Rule) -> str:
    """Return why it is likely a mistake, an example, and the example mended."""
    parts = [rule.why]
    parts += [f"{name}:\n\n```yaml\n{text}```" for name, text in _yaml(rule)]
    return "\n\n".join(parts) + "\n"


def _yaml(rule: Rule) -> Iterator[tuple[str, str]]:
    if rule.example:
        yield "Example", rule.example
    if rule.mended:
        yield "Mended", rule.mended


def _how(rule: Rule) -> str:
    if not rule.silenced:
        return "It cannot be silenced."
    return (
        f"To silence it: --ignore {rule.code}; a comment `# netpol: ignore {rule.code}` on the "
        f"line, or above the object; or an annotation `netpol/ignore: {rule.code}`."
    )


def _filled(text: str, width: int) -> str:
    return textwrap.fill(plain(text), width, break_long_words=False, break_on_hyphens=False)
