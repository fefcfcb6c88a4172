"""Takes CSV, Parquet and Arrow, gives flow batches."""
