"""``python -m netpol``: the same as the command ``netpol``."""

from netpol.cli import main

if __name__ == "__main__":
    main(prog_name="netpol")
