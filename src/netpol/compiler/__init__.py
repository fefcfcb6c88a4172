"""Takes a policy program and a snapshot, gives packed tables.

``identities`` (who owns which address, when) -> ``regions`` (CIDRs as disjoint ranges) and
``selection`` (which label sets match which selector) -> ``portclasses`` -> ``partition`` (rows and
columns) -> ``sides`` (what each row says to each column and port class) -> ``prefixes`` (address to
endpoint) -> ``tables`` (the packed form). ``compiler`` runs them in that order.
"""
