from typing import Any

import numpy as np
import numpy.typing as npt

from netpol._core.sums import Groups, Histogram
from netpol._core.tables import CompiledTables

class Tally:
    outcomes: Histogram
    egress: Histogram
    ingress: Histogram
    notes: Histogram
    pairs: Groups
    def __init__(
        self,
        tables: CompiledTables,
        decisions: npt.NDArray[np.uint32],
        workloads: npt.NDArray[np.uint32],
        protocols: npt.NDArray[np.uint16],
        reasons: int,
        newest: int,
        limit: int,
    ) -> None: ...
    def merge(self, other: Tally) -> None: ...
    def add(
        self,
        n: int,
        columns: dict[str, Any],
        results: dict[str, npt.NDArray[Any]],
        flows: npt.NDArray[np.uint64] | None,
        packets: npt.NDArray[np.uint64] | None,
        bytes_: npt.NDArray[np.uint64] | None,
    ) -> None: ...
