from typing import Any

import numpy as np
import numpy.typing as npt

from netpol._core.tables import CompiledTables

def evaluate(
    tables: CompiledTables,
    n: int,
    columns: dict[str, Any],
    results: dict[str, npt.NDArray[Any]],
) -> None: ...
def notes(
    tables: CompiledTables,
    n: int,
    columns: dict[str, Any],
    src_endpoint: npt.NDArray[np.uint32],
    dst_endpoint: npt.NDArray[np.uint32],
    out: npt.NDArray[np.uint16],
) -> None: ...
def plain_rows(
    tables: CompiledTables,
    n: int,
    columns: dict[str, Any],
    src_endpoint: npt.NDArray[np.uint32],
    dst_endpoint: npt.NDArray[np.uint32],
) -> npt.NDArray[np.bool_]: ...
