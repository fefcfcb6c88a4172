"""Takes judged flows, gives how they spread over time and namespaces, in bounded memory."""
