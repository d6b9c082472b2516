"""``python -m keywright`` is the command line."""

from keywright.cli.main import main

main()
