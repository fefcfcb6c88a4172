"""Takes verdicts or parts of a result, gives rows: CSV, JSON lines, Arrow, Parquet, DOT."""
