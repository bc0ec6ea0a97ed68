"""The OpenStack releases that a cloud of the lab can run."""

from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

FREEZE_DIR = Path(__file__).parent / "freeze"


@dataclass(frozen=True)
class Release:
    """One release: what to install and in which ways it differs from others.

    `cutoff` is the date on which the package index is frozen when the release is
    resolved anew; `freeze` then holds the result and is what gets installed.
    """

    name: str
    packages: tuple[str, ...]
    python: str = "3.11"
    cutoff: str | None = None
    volume_service: str = "block-storage"
    volume_path: str = "/v3"
    secure_rbac: bool = True
    wsgi_only: bool = True

    @property
    def freeze(self) -> Path:
        """Return the file of exact versions of this release."""
        return FREEZE_DIR / f"{self.name}.txt"


RELEASES = {
    release.name: release
    for release in (
        Release(
            name="zed",
            packages=(
                "keystone==22.0.0",
                "openstack-placement==8.0.0",
                "glance==25.0.0",
                "nova==26.0.0",
                "neutron==21.0.0",
                "cinder==21.0.0",
            ),
            # Zed is of October 2022; wheels for Python 3.11 came two months later.
            cutoff="2022-12-15",
            volume_service="volumev3",
            volume_path="/v3/%(project_id)s",
            secure_rbac=False,
            wsgi_only=False,
        ),
        Release(
            name="2026.2",
            packages=(
                "keystone==30.0.0",
                "openstack-placement==16.0.0",
                "glance==33.0.0",
                "nova==34.0.0",
                "neutron==29.0.0",
                "cinder==29.0.0",
            ),
        ),
    )
}

# A database driver and an application server, which no OpenStack package asks for.
EXTRA_PACKAGES = ("PyMySQL", "pyuwsgi")


def find_release(name: str) -> Release:
    """Return the release called `name`, or say which ones there are."""
    if name not in RELEASES:
        raise LabError(f"release {name!r} is unknown; the lab has {', '.join(RELEASES)}")
    return RELEASES[name]
