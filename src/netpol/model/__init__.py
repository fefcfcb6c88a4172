"""What every part speaks: errors, verdicts, switches, flows and batches, text, times."""
