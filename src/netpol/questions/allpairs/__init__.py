"""Takes engines, gives classes of pairs: what every subject says to every peer, without flows."""
