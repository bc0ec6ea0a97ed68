"""What a command prints: lines with the seconds since it began."""

import time

_BEGIN = time.monotonic()


def elapsed_s() -> float:
    """Return the seconds since the command began."""
    return time.monotonic() - _BEGIN


def say(text: str) -> None:
    """Print one line of progress."""
    print(f"[{elapsed_s():6.1f} s] {text}", flush=True)
