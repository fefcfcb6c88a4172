"""Old names of modules that were documented or are widely caught: they lead to the new ones.

Importing one gives the module that took its place, and a ``DeprecationWarning``.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType

__all__ = ["MOVED", "follow"]

MOVED = {
    "netpol.analysis": "",  # a package of nothing but the names below
    "netpol.analysis.coverage": "netpol.questions.coverage.coverage",
    "netpol.analysis.diff": "netpol.questions.diff.diff",
    "netpol.analysis.exhaustive": "netpol.questions.diff.exhaustive",
    "netpol.analysis.exposure": "netpol.questions.reach.exposure",
    "netpol.analysis.matrix": "netpol.questions.reach.matrix",
    "netpol.compare": "netpol.questions.compare.compare",
    "netpol.dns.observations": "netpol.model.dns_observations",
    "netpol.errors": "netpol.model.errors",
    "netpol.flows.batch": "netpol.model.batch",
    "netpol.flows.evidence": "netpol.model.evidence",
    "netpol.flows.flow": "netpol.model.flow",
    "netpol.flows.normalise": "netpol.flows.columns.normalise",
    "netpol.kube.cluster_objects": "netpol.kube.api.cluster_objects",
    "netpol.kube.objects": "netpol.kube.api.objects",
    "netpol.kube.selecting": "netpol.policy.selecting",
    "netpol.profiles": "netpol.model.profiles",
    "netpol.program": "netpol.cli.program",
    "netpol.recorded": "netpol.questions.replay.recorded",
    "netpol.replay": "netpol.questions.replay.replay",
    "netpol.switches": "netpol.model.switches",
    "netpol.tally": "netpol.run.sums",
    "netpol.verdict": "netpol.model.verdict",
    "netpol.verdicts": "netpol.engine.verdicts",
}


class _Moved(MetaPathFinder, Loader):
    """Finds an old name and gives the module of the new one."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in MOVED:
            return None
        return spec_from_loader(fullname, self, is_package=not MOVED[fullname])

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        new = MOVED[old]
        if not new:
            return
        warnings.warn(f"{old} is now {new}", DeprecationWarning, stacklevel=2)
        sys.modules[old] = import_module(new)


def follow() -> None:
    """Let imports of old names lead to the new ones."""
    if not any(isinstance(finder, _Moved) for finder in sys.meta_path):
        sys.meta_path.append(_Moved())
