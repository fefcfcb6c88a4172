import numpy as np
import numpy.typing as npt

def parse_addresses(
    data: bytes | memoryview | npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    v4: npt.NDArray[np.uint32],
    wide: npt.NDArray[np.uint8],
    family: npt.NDArray[np.uint8],
) -> None: ...
def format_v4(
    addresses: npt.NDArray[np.uint32],
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
) -> int: ...
def format_wide(
    addresses: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
) -> int: ...
