"""What a change of policies does, to flows or to every pair."""
