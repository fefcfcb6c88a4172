import numpy as np
import numpy.typing as npt

from netpol._core.conntrack import Scanner
from netpol._core.contrast import Contrast
from netpol._core.suspects import Suspects
from netpol._core.tally import Tally

class FusedRecords:
    suspects: Suspects
    counted: bool
    def add(self, scanner: Scanner) -> None: ...

class FusedSums(FusedRecords):
    tally: Tally
    def __init__(self, tally: Tally, has_ports: npt.NDArray[np.uint8]) -> None: ...

class FusedContrast(FusedRecords):
    contrast: Contrast
    def __init__(
        self, contrast: Contrast, has_ports: npt.NDArray[np.uint8], capacity: int
    ) -> None: ...
    @property
    def rows(self) -> npt.NDArray[np.uint32]: ...
