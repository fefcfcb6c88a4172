"""What becomes of recorded flows: a summary, and how it agrees with recorded verdicts."""
