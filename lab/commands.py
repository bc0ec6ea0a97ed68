"""Running a program to its end, with its words kept for the case that it fails."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError


def run(
    argv: Sequence[str | Path], env: Mapping[str, str] | None = None, log: Path | None = None
) -> str:
    """Run a program and return what it printed; append it to `log` when there is one."""
    result = subprocess.run(
        [str(word) for word in argv],
        env=dict(env) if env else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if log else None,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write(result.stdout)
    if result.returncode:
        where = f"; see {log}" if log else ""
        raise LabError(
            f"{Path(argv[0]).name} {' '.join(map(str, argv[1:4]))} ended with "
            f"{result.returncode}{where}"
        )
    return result.stdout
