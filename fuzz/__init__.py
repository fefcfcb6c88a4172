"""Attacks that go on: targets, corpus and what runs them."""
