"""Takes engines and flows, gives what is known of the policies. One question a file."""
