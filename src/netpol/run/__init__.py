"""Takes streams of flows, drives them through engines, gives exact sums in bounded memory."""
