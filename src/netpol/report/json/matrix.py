"""Takes a ``Matrix`` or exposures, gives the JSON document of docs/output.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netpol.kube.unjudged import Unjudged
from netpol.questions.reach.exposure import Exposure
from netpol.questions.reach.matrix import Matrix, Reach
from netpol.report.json.document import written
from netpol.report.json.exhaustive import ports_document
from netpol.report.json.replay import SCHEMA_VERSION
from netpol.report.words.unjudged import unjudged_document

__all__ = ["render", "render_exposures"]


def render(matrix: Matrix) -> bytes:
    """Return every pair of names, as indented JSON, ending in a newline."""
    return written(
        {
            "schema_version": SCHEMA_VERSION,
            "by": matrix.by,
            "parties": matrix.parties,
            "pairs": matrix.pairs,
            "pods_left_out": matrix.left_out,
            "reaches": [_reach(reach) for reach in matrix.reaches()],
            "unjudged": unjudged_document(matrix.unjudged),
        }
    )


def _reach(reach: Reach) -> dict[str, Any]:
    return {
        "src": reach.src,
        "src_networks": list(reach.src_networks),
        "dst": reach.dst,
        "dst_networks": list(reach.dst_networks),
        "pairs": reach.pairs,
        "cells": [
            {
                "verdict": None if cell.verdict is None else cell.verdict.label,
                "allow": cell.allow,
                "deny": cell.deny,
                "unknown": cell.unknown,
                "ports": ports_document(cell.ports),
            }
            for cell in reach.cells
        ],
    }


def render_exposures(exposures: Sequence[Exposure], unjudged: Unjudged) -> bytes:
    """Return what strangers may reach of every workload."""
    return written(
        {
            "schema_version": SCHEMA_VERSION,
            "exposures": [
                {
                    "workload": one.workload,
                    "pods": one.pods,
                    "external": ports_document(one.external),
                    "networks": list(one.networks),
                    "stranger": ports_document(one.stranger),
                }
                for one in exposures
            ],
            "unjudged": unjudged_document(unjudged),
        }
    )
