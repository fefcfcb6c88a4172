"""Objects of the Kubernetes API as Structs, their kinds and what can be said of one alone."""
