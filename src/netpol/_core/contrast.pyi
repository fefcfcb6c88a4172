from typing import Any

import numpy as np
import numpy.typing as npt

from netpol._core.sums import Histogram
from netpol._core.tables import CompiledTables

class Contrast:
    verdicts: Histogram
    def __init__(
        self,
        first: CompiledTables,
        second: CompiledTables,
        first_marks: npt.NDArray[np.uint32],
        second_marks: npt.NDArray[np.uint32],
    ) -> None: ...
    def merge(self, other: Contrast) -> None: ...
    def add(
        self,
        n: int,
        first: dict[str, npt.NDArray[Any]],
        second: dict[str, npt.NDArray[Any]],
        flows: npt.NDArray[np.uint64] | None,
        packets: npt.NDArray[np.uint64] | None,
        bytes_: npt.NDArray[np.uint64] | None,
    ) -> npt.NDArray[np.uint32]: ...
