"""Takes a log of one format each, gives flow batches."""
