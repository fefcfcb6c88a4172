"""Takes flow logs of any format, gives a stream of flow batches. One format a file."""
