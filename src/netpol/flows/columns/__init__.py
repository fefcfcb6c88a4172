"""Takes columns of any type as anybody holds them, gives the columns of flow batches."""
