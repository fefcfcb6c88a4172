"""Formats of flow logs that netpol recognises: each with what identifies it and what to do."""
