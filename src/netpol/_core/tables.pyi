from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

class CompiledTables:
    def __init__(
        self,
        arrays: dict[str, npt.NDArray[Any]],
        *,
        dense: bool,
        own_columns: Sequence[Sequence[int]],
        own_exempt: Sequence[bool],
        hairpin_exempt: bool,
        node_split: int,
        no_policies: bool,
    ) -> None: ...
