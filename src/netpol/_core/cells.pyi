import numpy as np
import numpy.typing as npt

class Pages:
    size: int
    def __init__(self, size: int, limit: int) -> None: ...
    def __len__(self) -> int: ...
    def put_sparse(
        self,
        index: npt.NDArray[np.uint32],
        columns: npt.NDArray[np.int64],
        values: npt.NDArray[np.uint16],
    ) -> None: ...
    def array(self) -> npt.NDArray[np.uint16]: ...

def pack_rows(
    store: Pages,
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
