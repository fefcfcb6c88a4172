from typing import Literal

SIMD: Literal["avx512", "off"]

def set_simd(wanted: bool) -> Literal["avx512", "off"]: ...
