"""Takes values, gives them as markup by the templates of this package.

Every text goes through ``escape_controls`` and HTML escaping on its way, whatever a template does.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from netpol.model.text import escape_controls

__all__ = ["asset", "filled", "raw"]


def filled(template: str, **values: object) -> str:
    """Return a template with these values in it, as markup that is not escaped again."""
    return raw(_environment().get_template(template).render(values))


def raw(text: str) -> str:
    """Mark text as markup of this package: another template leaves it as it is."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - files of this package


@cache
def asset(name: str) -> str:
    """Return the text of a file in ``templates``."""
    folder = resources.files("netpol.report.html") / "templates"
    return (folder / name).read_text(encoding="utf-8")


@cache
def _environment() -> Any:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    return Environment(
        loader=FunctionLoader(asset),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _shown(value: object) -> object:
    """Show what cannot be seen in a text, and a hundredth of a pixel; markup is left as it is."""
    from markupsafe import Markup

    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    if isinstance(value, str) and not isinstance(value, Markup):
        return escape_controls(value)
    return value
