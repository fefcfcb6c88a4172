"""Takes judged flows, gives their spread over time and namespaces, in bounded memory."""
