"""Takes engines and flows, gives what a change of policies does to them. One question a file."""
