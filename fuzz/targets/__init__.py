"""One target a file: what is attacked, and what must hold."""
