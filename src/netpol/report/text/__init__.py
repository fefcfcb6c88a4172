"""Takes results, gives text that a person reads. One question a file."""
