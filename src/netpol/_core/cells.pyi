from typing import Any

import numpy as np
import numpy.typing as npt

class CellPages:
    def __init__(self, limit: int) -> None: ...
    def __len__(self) -> int: ...
    def array(self) -> npt.NDArray[np.uint16]: ...

def pack_rows(
    store: CellPages,
    rows: npt.NDArray[np.uint32],
    pairs: npt.NDArray[np.uint32],
    label_pages: npt.NDArray[np.uint32],
    cidr_pages: npt.NDArray[np.uint32],
    pages: npt.NDArray[np.uint16],
    labels: npt.NDArray[np.uint32],
    cidrs: npt.NDArray[np.uint32],
    run_count: int,
    index: npt.NDArray[np.uint32],
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]] | None: ...

__all__: Any
