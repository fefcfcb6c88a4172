"""Who can reach whom on what, without flows."""
