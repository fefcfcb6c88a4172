SIMD: str
