"""``python -m pumphouse``: the command line."""

from pumphouse.cli import main

main()
