"""Codes of what only shows in policies as compiled for a cluster, and of silencing itself."""

from __future__ import annotations

from netpol.lint.catalogue.rule import Rule, network_policy

__all__ = ["COMPILED", "SILENCING"]

COMPILED = (
    Rule(
        "priority-tie",
        "warning",
        "two cluster-scoped policies of one tier and priority decide differently for some pod, "
        "peer and port, of which an example is given: which is tried first is not defined. Once "
        "for each two policies",
        "An implementation may try either first, and may change its mind. Give them priorities of "
        "their own.",
        needs="compiled",
    ),
    Rule(
        "shadowed-rule",
        "warning",
        "a rule that matches something, but never decides: rules that come first always do. For a "
        "rule of a NetworkPolicy, rules of the Admin tier that deny",
        "It reads as if it did something, and will begin to when the others go.",
        needs="compiled",
    ),
    Rule(
        "unreachable-baseline",
        "warning",
        "the same for a rule of the Baseline tier. As a note: NetworkPolicies isolate every pod "
        "that the policy selects for that direction, so that none of its rules is asked; it may "
        "be meant for pods to come",
        "The Baseline tier is only asked where no NetworkPolicy isolates a pod.",
        needs="compiled",
    ),
    Rule(
        "redundant-rule",
        "info",
        "(note) all that a rule of a NetworkPolicy allows is allowed by other rules, which stay",
        "It may be left out, or may be there on purpose, as each part of an application brings its "
        "own rules.",
        needs="compiled",
    ),
    Rule(
        "capacity",
        "warning",
        "the policies are more than can be compiled, so none of this was looked for",
        "Split them, as by namespace.",
        needs="compiled",
    ),
)

SILENCING = (
    Rule(
        "unknown-code",
        "error",
        "a comment or an annotation that silences names a code that does not exist, or none",
        "It silences nothing, though it is there to. The message says which code is close.",
        network_policy("podSelector: {}\ningress: [{}]  # netpol: ignore allow-everything"),
        network_policy("podSelector: {}\ningress: [{}]  # netpol: ignore allows-everything"),
        silenced=False,
    ),
    Rule(
        "unused-ignore",
        "info",
        "(note) a comment or an annotation silences nothing: there is no such finding",
        "What was wrong has been mended, and the next mistake would pass in silence. Codes that "
        "were not looked for, because there is no `--cluster`, there are errors, or they were not "
        "selected, are not told of.",
        network_policy("podSelector: {}  # netpol: ignore or-not-and"),
        network_policy("podSelector: {}"),
    ),
)
