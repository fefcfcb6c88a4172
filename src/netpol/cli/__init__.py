"""Takes a command line, gives an exit code. One command a file in ``commands``.

Nothing heavy is imported before a command runs, so ``--help`` and completion answer at once.
"""
