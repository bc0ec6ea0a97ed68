"""Two real OpenStack clouds of different releases on one machine, from packages.

The services, databases, schedulers and bytes are real; the hypervisor and the network
are not. `python -m lab --help` lists the commands, `docs/lab.md` explains them.
"""
