"""Benchmarks: seeded generators (``bench.shapes``) and pytest-benchmark suites.

Not part of the installed package and not run by the tests; see ``bench/README.md``.
"""
