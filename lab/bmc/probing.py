"""Asking a BMC whether it is there, before any login."""

import socket

# RMCP, IPMI 1.5 without session: Get Channel Authentication Capabilities of this channel.
QUESTION = bytes.fromhex("0600ff07 00 00000000 00000000 09 20 18 c8 81 00 38 8e 04 b5")


def bmc_answers(port: int, timeout_s: float = 0.2) -> bool:
    """Tell whether a BMC answers on a UDP port of loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(timeout_s)
        # Connected, so that a closed port is an error at once.
        probe.connect(("127.0.0.1", port))
        try:
            probe.send(QUESTION)
            return bool(probe.recv(512))
        except OSError:
            return False
