"""``python -m netpol``: the same as the command ``netpol``."""

from netpol.cli.program import run

if __name__ == "__main__":
    run(prog_name="netpol")
