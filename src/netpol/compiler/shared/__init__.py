"""What several stages stand on: intervals, columns, selections, port classes, budget."""
