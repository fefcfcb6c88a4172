"""What is known of one code of ``netpol check``: what it means, why, and how it is mended."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Literal

__all__ = ["Needs", "Rule", "Severity", "admin", "network_policy", "plain"]

Severity = Literal["error", "warning", "info"]
#: What has to be there for a code to be looked for: nothing beside the policies, ``--cluster``, or
#: ``--cluster`` and policies without errors, which are then compiled.
Needs = Literal["policies", "cluster", "compiled"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One code.

    Attributes
    ----------
    code : stable, lower case joined by hyphens.
    severity : the gravest that it comes with.
    summary : one sentence, in Markdown.
    why : why it is likely a mistake and what to do, in Markdown.
    example, mended : policies with the mistake and without it; empty where YAML would show nothing.
    needs : what has to be there for it to be looked for.
    silenced : whether it can be: what makes an input unusable cannot.
    """

    code: str
    severity: Severity
    summary: str
    why: str
    example: str = ""
    mended: str = ""
    needs: Needs = "policies"
    silenced: bool = True

    @property
    def title(self) -> str:
        """The code in words."""
        return self.code.replace("-", " ")


def plain(text: str) -> str:
    """Return Markdown of one or more sentences as plain text."""
    return text.replace("`", "")


def network_policy(spec: str, *, name: str = "web", namespace: str = "shop") -> str:
    """Return a NetworkPolicy with this ``spec``."""
    head = (
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec:\n"
    )
    return head + _indented(spec)


def admin(kind: str, spec: str, *, name: str = "base") -> str:
    """Return a cluster-scoped policy of a kind with this ``spec``."""
    version = "v1alpha2" if kind == "ClusterNetworkPolicy" else "v1alpha1"
    head = (
        f"apiVersion: policy.networking.k8s.io/{version}\nkind: {kind}\n"
        f"metadata: {{name: {name}}}\nspec:\n"
    )
    return head + _indented(spec)


def _indented(spec: str) -> str:
    return textwrap.indent(textwrap.dedent(spec).strip("\n"), "  ") + "\n"
