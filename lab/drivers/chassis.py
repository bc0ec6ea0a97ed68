#!/usr/bin/env python3
"""What ipmi_sim runs for the chassis commands of a BMC.

    chassis.py SOCKET 0x20 get power boot
    chassis.py SOCKET 0x20 set power 1 | reset 1 | shutdown 1 | boot pxe

It passes them on to the machine's socket. ipmi_sim starts this program for each command, so it
imports nothing but the socket. ipmi_sim's words for boot devices are those of IPMI: `none` is
no override, `default` is "from the default hard disk".
"""

import socket
import sys

TIMEOUT_S = 10.0
TO_MACHINE = {"none": "default", "default": "disk"}
FROM_MACHINE = {"default": "none", "none": "none", "disk": "default"}


def main(words):
    """Run one command; return 1 when the machine refuses, with its words on stderr."""
    path, verb, rest = words[0], words[2], words[3:]
    requests = get_requests(rest) if verb == "get" else set_requests(rest)
    for request in requests:
        answer = ask(path, request)
        if not answer or answer.startswith("error"):
            print(answer or "the machine hung up", file=sys.stderr)
            return 1
        if verb == "get":
            print(translated(answer))
    return 0


def get_requests(names):
    """Return the machine's requests for the names of values."""
    return [f"get {name}" for name in names]


def set_requests(words):
    """Return the machine's requests for pairs of names and values."""
    pairs = zip(words[::2], words[1::2], strict=True)
    return [
        f"set {name} {TO_MACHINE.get(value, value) if name == 'boot' else value}"
        for name, value in pairs
    ]


def translated(answer):
    """Return the first value of a machine's answer in ipmi_sim's words."""
    name, _, value = answer.split()[0].partition(":")
    return f"{name}:{FROM_MACHINE.get(value, value) if name == 'boot' else value}"


def ask(path, request):
    """Return the machine's answer to one request."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(path)
        connection.sendall(request.encode() + b"\n")
        return connection.makefile("r").readline().strip()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (OSError, ValueError, IndexError) as error:
        print(f"chassis: {error}", file=sys.stderr)
        sys.exit(1)
