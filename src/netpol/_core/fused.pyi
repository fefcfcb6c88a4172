import numpy as np
import numpy.typing as npt

from netpol._core.conntrack import Scanner
from netpol._core.suspects import Suspects
from netpol._core.tally import Tally

class FusedSums:
    tally: Tally
    suspects: Suspects
    counted: bool
    def __init__(self, tally: Tally, has_ports: npt.NDArray[np.uint8]) -> None: ...
    def add(self, scanner: Scanner) -> None: ...
