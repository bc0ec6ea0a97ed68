"""
``python -m tests.wheel``: build the wheel and the sdist, and try the wheel where nothing else is.

What is tested is what an operator installs: not the checkout, and without the tests' packages.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("blocks", "cli", "deployments", "flows", "reports", "tasks")


def main() -> int:
    """Build, look inside, install, run; return 0 when all is well."""
    with tempfile.TemporaryDirectory() as folder:
        built = _build(Path(folder))
        _look_inside(built)
        _try(built, Path(folder))
    print(f"The wheel {built.name} works in an empty environment.")
    return 0


def _build(folder: Path) -> Path:
    """Build the sdist and, from it, the wheel: so the sdist is complete."""
    _run("uv", "build", "--quiet", "--out-dir", str(folder / "dist"), str(ROOT))
    (built,) = (folder / "dist").glob("*.whl")
    return built


def _look_inside(built: Path) -> None:
    names = zipfile.ZipFile(built).namelist()
    tops = {name.split("/")[0] for name in names}
    strange = {top for top in tops if top != "pumphouse" and not top.endswith(".dist-info")}
    assert not strange, f"the wheel installs more than pumphouse: {strange}"
    for package in PACKAGES:
        assert f"pumphouse/{package}/__init__.py" in names, f"{package} is missing"
    for name in ("pumphouse/py.typed", "pumphouse/deployments/prefect.yaml"):
        assert name in names, f"{name} is missing"
    templates = {path.name for path in (ROOT / "reports" / "templates").iterdir()}
    packed = {Path(name).name for name in names if "/reports/templates/" in name}
    assert templates == packed, f"templates are missing: {templates - packed}"


def _try(built: Path, folder: Path) -> None:
    """Install with the locked versions, then run the smoke tests against the installed wheel."""
    venv = folder / "venv"
    python = str(venv / "bin" / "python")
    _run("uv", "venv", "--quiet", "--python", sys.executable, str(venv))
    lock = ["--constraint", str(ROOT / "requirements.lock")]
    _run("uv", "pip", "install", "--quiet", "--python", python, str(built), *lock)
    script = (
        "import importlib, pkgutil, pumphouse\n"
        f"assert pumphouse.__file__.startswith({str(venv)!r}), pumphouse.__file__\n"
        "for m in pkgutil.walk_packages(pumphouse.__path__, 'pumphouse.'):\n"
        "    if not m.name.endswith('__main__'): importlib.import_module(m.name)\n"
        "import pumphouse.deployments as d, pathlib\n"
        "assert (pathlib.Path(d.__file__).parent / 'prefect.yaml').is_file()\n"
    )
    _run(python, "-c", script, cwd=folder)
    command = str(venv / "bin" / "pumphouse")
    _run(command, "--version", cwd=folder)
    _run(command, "--help", cwd=folder)
    (folder / "config.yaml").write_text("source: {entry: a}\ntarget: {entry: b}\n")
    _run(command, "config", "show", cwd=folder)


def _run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True)


if __name__ == "__main__":
    sys.exit(main())
