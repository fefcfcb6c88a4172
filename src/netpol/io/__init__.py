"""Takes paths and streams, gives bytes in and out, and what surrounds them in a process."""
