from typing import Any

import numpy as np
import numpy.typing as npt

from netpol._core.tally import Tally

class CoverTally(Tally):
    beside: npt.NDArray[np.uint64]
    verdicts: npt.NDArray[np.uint64]
    times: npt.NDArray[np.int64]
    seen: npt.NDArray[np.uint64]
    touched: npt.NDArray[np.uint8]
    def merge(self, other: Any) -> None: ...
