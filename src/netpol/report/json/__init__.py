"""Takes results, gives the JSON documents of docs/output.md. One question a file."""
