"""The cut-over of one server as data: named steps in their order, and what undoes each."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """
    One step.

    Attributes:
        name: As ledgers, errors and the source server's journal have it.

        doc: What it does, one sentence.

        undo: What takes it back, one sentence; empty when there is nothing to take back.

        is_down: Whether the server is down while it runs.
    """

    name: str
    doc: str
    undo: str = ""
    is_down: bool = False


STEPS: tuple[Step, ...] = (
    Step(
        "bulk",
        "Copy what the movers of its volumes can copy while it runs.",
        "Delete what was copied.",
    ),
    Step(
        "remember",
        "Write the power state, the lock, the floating IPs and port forwardings of the source "
        "server into its metadata.",
        "Remove what was written.",
    ),
    Step("lock", "Lock the source server against its tenant.", "Unlock it, unless it was locked."),
    Step(
        "stop",
        "Stop it: gracefully, and hard after the time-out.",
        "Start it, if it ran before.",
        is_down=True,
    ),
    Step(
        "isolate",
        "Put its source ports down and take its floating IPs and port forwardings off.",
        "Put the ports up, the floating IPs and port forwardings back.",
        is_down=True,
    ),
    Step(
        "move",
        "Copy its root disk and its volumes, as the mover says.",
        "Delete what was copied.",
        is_down=True,
    ),
    Step(
        "boot",
        "Boot the target server as its owner, on the prepared ports; compare meanwhile what "
        "is not compared yet, then put the ports up, unless the source server was stopped.",
        "Put the ports down and delete the target server.",
        is_down=True,
    ),
    Step(
        "connect",
        "Put the target's ports up, bind the floating IPs and forward their ports.",
        "Put the ports down and take floating IPs and port forwardings off.",
        is_down=True,
    ),
    Step("verify", "Compare the target server with its source.", is_down=True),
    Step("check", "Run the health checks that its source passed.", is_down=True),
    Step("mark", "Note on the source server where it went; it stays stopped and locked."),
)

NAMES = tuple(step.name for step in STEPS)

RETURN: tuple[Step, ...] = (
    Step(
        "note",
        "Write on the source server that it returns, and how its copy is.",
        "Remove that.",
    ),
    Step("hold", "Lock the copy against its tenant.", "Unlock it, unless it was locked."),
    Step("stop", "Stop the copy.", "Start it, if it ran.", is_down=True),
    Step(
        "release",
        "Take the floating IPs off at the target and put its ports down.",
        "Put the ports up and the floating IPs back.",
        is_down=True,
    ),
    Step(
        "fetch",
        "Take the volumes that were not copied back from the target.",
        "Let the target have them again.",
        is_down=True,
    ),
    Step(
        "restore",
        "Put the source ports up and the floating IPs back.",
        "Put the ports down and take the floating IPs off.",
        is_down=True,
    ),
    Step("start", "Start the source server, if it ran before.", "Stop it.", is_down=True),
    Step("check", "Run the health checks that it passed before.", is_down=True),
    Step("unlock", "Unlock the source server, unless it was locked before."),
    Step("leave", "Mark the copy as left, or delete it with its disks."),
    Step("forget", "Remove the journal from the source server."),
)
"""The way back of a server that was migrated."""

COMMITTED = ("unlock", "leave", "forget")
"""Steps of a return that are not taken back: the server works at the source."""


def undo_order(failed: str) -> tuple[str, ...]:
    """Return the names of the steps to take back when *failed* failed: it first, then back."""
    return tuple(reversed(NAMES[: NAMES.index(failed) + 1]))
