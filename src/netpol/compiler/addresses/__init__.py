"""Takes a snapshot, gives who is at which address: identities, services, regions, endpoints."""
