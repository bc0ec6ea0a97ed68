"""Where everything of the lab lies: directories, ports, URLs and names of hosts."""

from dataclasses import dataclass
from pathlib import Path

from lab.releases import Release

CLOUD_NAMES = ("source", "target")
PASSWORD = "lab"
REGION = "RegionOne"
VOLUME_TYPE = "standard"
EXTERNAL_NETWORK = "public"

BASE_PORTS = {"source": 16000, "target": 26000}
DATABASE_PORT = 14306
BROKER_PORT = 14670

# Added to a cloud's base port: the last three digits of each service's usual port.
SERVICE_PORTS = {
    "keystone": 0,
    "placement": 778,
    "glance": 292,
    "nova": 774,
    "neutron": 696,
    "cinder": 776,
}
DATABASES = (
    "keystone",
    "placement",
    "glance",
    "nova_api",
    "nova_cell0",
    "nova_cell1",
    "neutron",
    "cinder",
)


@dataclass(frozen=True)
class Cloud:
    """One cloud of the lab."""

    name: str
    release: Release
    root: Path
    port_offset: int = 0

    @property
    def venv(self) -> Path:
        """Return the environment that the release is installed in."""
        return self.root / "venvs" / self.release.name

    @property
    def home(self) -> Path:
        """Return the directory of the cloud's configuration and state."""
        return self.root / "run" / self.name

    @property
    def etc(self) -> Path:
        """Return the directory of the cloud's configuration files."""
        return self.home / "etc"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the names of the compute hosts."""
        return tuple(f"{self.name}-cmp{number}" for number in (1, 2, 3))

    @property
    def controller(self) -> str:
        """Return the host name of everything that is not nova-compute."""
        return f"{self.name}-ctl"

    def port(self, service: str) -> int:
        """Return the TCP port of a service's API."""
        return BASE_PORTS[self.name] + SERVICE_PORTS[service] + self.port_offset

    def url(self, service: str, path: str = "") -> str:
        """Return the URL of a service's API."""
        return f"http://127.0.0.1:{self.port(service)}{path}"

    def database(self, name: str) -> str:
        """Return the name of one of the cloud's databases in the shared server."""
        return f"{self.name}_{name}"

    def program(self, name: str) -> str:
        """Return the path of a program of the release's environment."""
        return str(self.venv / "bin" / name)


@dataclass(frozen=True)
class Lab:
    """The whole lab: two clouds, one database server, one message broker."""

    root: Path
    source: Release
    target: Release
    port_offset: int = 0

    @property
    def run(self) -> Path:
        """Return the directory that `down --wipe` removes."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """Return the directory of one log per process."""
        return self.run / "logs"

    @property
    def clouds_file(self) -> Path:
        """Return the clouds.yaml with the lab's two clouds."""
        return self.root / "clouds.yaml"

    @property
    def client_venv(self) -> Path:
        """Return the environment of the lab's own API client."""
        return self.root / "venvs" / "client"

    @property
    def database_socket(self) -> Path:
        """Return the socket of the database server."""
        return self.run / "mysql.sock"

    @property
    def database_port(self) -> int:
        """Return the port of the database server."""
        return DATABASE_PORT + self.port_offset

    @property
    def broker_port(self) -> int:
        """Return the port of the message broker; its neighbors serve Erlang itself."""
        return BROKER_PORT + self.port_offset

    @property
    def clouds(self) -> tuple[Cloud, ...]:
        """Return the source and the target."""
        return tuple(
            Cloud(name, release, self.root, self.port_offset)
            for name, release in zip(CLOUD_NAMES, (self.source, self.target), strict=True)
        )

    def cloud(self, name: str) -> Cloud:
        """Return one cloud by its name."""
        return self.clouds[CLOUD_NAMES.index(name)]

    def database_url(self, name: str) -> str:
        """Return the URL of a database for SQLAlchemy."""
        return f"mysql+pymysql://root@127.0.0.1:{self.database_port}/{name}?charset=utf8"

    def broker_url(self, cloud: Cloud) -> str:
        """Return the URL of a cloud's own virtual host in the broker."""
        return f"rabbit://lab:{PASSWORD}@127.0.0.1:{self.broker_port}/{cloud.name}"
