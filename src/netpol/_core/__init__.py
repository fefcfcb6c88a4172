"""The compiled core: one extension module per concept, sources in ``src/_core``.

Nothing here imports from ``netpol``; every public entry takes NumPy arrays, checks shapes and
bounds once, drops the GIL and raises built-in exceptions only.
"""
