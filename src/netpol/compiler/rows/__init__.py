"""Takes pod groups and policies, gives what every row says to every column."""
