"""Takes compiled rows and endpoints, gives packed tables."""
