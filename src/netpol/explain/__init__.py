"""Takes a judged flow, gives its story: why, what was missed by how much, what would flip it."""
