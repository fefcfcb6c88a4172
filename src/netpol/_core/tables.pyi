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
        own_node: Sequence[bool],
        hairpin_exempt: bool,
        no_policies: bool,
        order_always: bool,
        node_port_egress: int,
    ) -> None: ...
