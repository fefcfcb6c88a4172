"""Takes objects as written, gives errors as the API server words them, and defaults."""
