"""Running a program to its end, with its words kept for the case that it fails."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError


def run(
    argv: Sequence[str | Path],
    env: Mapping[str, str] | None = None,
    log: Path | None = None,
    quiet: bool = False,
) -> str:
    """Run a program and return what it printed; append it to `log` when there is one.

    With `quiet`, what it says of errors goes only into the exception.
    """
    result = subprocess.run(
        [str(word) for word in argv],
        env=dict(env) if env else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if log else subprocess.PIPE if quiet else None,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write(result.stdout)
    if result.returncode:
        words = (result.stderr or "").strip().splitlines()[-1:]
        where = f"; see {log}" if log else "".join(f": {line}" for line in words)
        raise LabError(
            f"{Path(argv[0]).name} {' '.join(map(str, argv[1:4]))} ended with "
            f"{result.returncode}{where}"
        )
    return result.stdout
