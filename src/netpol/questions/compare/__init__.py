"""Whose verdict differs under other switches."""
