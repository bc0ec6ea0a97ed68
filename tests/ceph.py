"""
The lab's Ceph for tests: started when it is down, left running like the lab itself.

Use it with `pytest_plugins = ["tests.lab", "tests.ceph"]` and mark such tests with `lab` and
`ceph`. Where its packages are missing and cannot be installed, such tests are skipped.
"""

import os
import subprocess
import sys

import pytest

from lab.ceph import starting
from lab.ceph.layout import Ceph
from lab.layout import Lab
from lab.lifecycle import processes_of
from lab.packages import CEPH_PACKAGES, missing
from tests.lab import ROOT


def why_not() -> str:
    """Return why there can be no Ceph here; empty when there can."""
    lacking = missing(CEPH_PACKAGES)
    if lacking and os.geteuid() != 0:
        return f"the lab's Ceph needs {', '.join(lacking)}, which only root can install"
    if lacking and os.environ.get("PUMPHOUSE_LAB_CEPH") == "0":
        return f"PUMPHOUSE_LAB_CEPH=0, and {', '.join(lacking)} are not installed"
    return ""


def ensure(lab: Lab) -> str:
    """Start the lab's Ceph when it is down; return why it cannot be, empty when it runs."""
    if reason := why_not():
        return reason
    if starting.running(lab, processes_of(lab)):
        return ""
    command = [sys.executable, "-m", "lab", "ceph", "up"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode and "apt-get" in done.stderr:
        return f"the lab's Ceph cannot be installed: {done.stderr.strip()}"
    assert done.returncode == 0, done.stdout + done.stderr
    return ""


@pytest.fixture(scope="session")
def ceph(lab: Lab) -> Ceph:
    """Return the running Ceph of the lab, or skip with the reason."""
    if reason := ensure(lab):
        pytest.skip(reason)
    return Ceph(lab)
