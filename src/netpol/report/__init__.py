"""Takes a replay's summary or verdicts, gives text, JSON or records. One output a file."""
