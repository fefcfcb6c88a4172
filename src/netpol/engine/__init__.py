"""Takes tables and flow batches, gives verdicts."""
