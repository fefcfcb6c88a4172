from typing import Any

import numpy as np
import numpy.typing as npt

from netpol._core.sums import Histogram
from netpol._core.tally import Tally

class CoverTally(Tally):
    beside_egress: Histogram
    beside_ingress: Histogram
    verdicts: Histogram
    times: npt.NDArray[np.int64]
    seen: npt.NDArray[np.uint64]
    def merge(self, other: Any) -> None: ...
