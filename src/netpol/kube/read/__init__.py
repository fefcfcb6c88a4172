"""Takes paths of manifests, gives documents: plain values with file and line, and findings."""
