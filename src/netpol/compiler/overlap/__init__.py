"""Takes both sides of a compile, gives rules that never act and priorities that tie."""
