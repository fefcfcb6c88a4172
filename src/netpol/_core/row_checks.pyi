from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

def check_sides(a: dict[str, Any]) -> None: ...
def check_cells(
    a: dict[str, Any], own_columns: Sequence[Sequence[int]], own_node: Sequence[bool]
) -> None: ...
def check_no_cells(a: dict[str, Any]) -> None: ...
def check_decisions(
    decisions: list[tuple[Any, ...]], counts: list[list[int]], info: npt.NDArray[np.uint8]
) -> None: ...
