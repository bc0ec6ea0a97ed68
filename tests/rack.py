"""
One host with everything around it, for tests of its upgrade: two clouds, Fuel, and its BMC.

The clouds answer what the upgrade asks of them and keep what it changes; Fuel is the lab's
stand-in and the BMC the lab's own, both as real processes or threads over real sockets.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from prefect.client.orchestration import get_client

from lab.nailgun.seeds import machine
from pumphouse.blocks.bmc import Bmc
from pumphouse.blocks.fuel import Fuel
from pumphouse.blocks.site import Site
from pumphouse.config import Storage, bmc_block
from pumphouse.fuel_access import FuelAccess
from pumphouse.hosts import HostSettings
from pumphouse.limits import host_limit
from pumphouse.listings import LISTINGS, RAW
from pumphouse.maintenance_options import MaintenanceOptions
from pumphouse.release_options import ReleaseOptions
from pumphouse.service_marks import Mark
from pumphouse.upgrade_options import UpgradeOptions
from tests import answers
from tests.bmcs import Peer, own_bmc
from tests.fakecloud import Answer, FakeCloud, Request
from tests.fuel_server import ENVIRONMENT, FuelServer, serving
from tests.machines import Machine

HOST, SITE, NUMBER = "cmp1", "rack", 77
STARTS = ("reset 1", "power 1")
"""Orders to a machine after which it boots."""


def macs_of(number: int) -> tuple[str, ...]:
    """Return the MACs of machine *number*, as Fuel's stand-in makes them."""
    return tuple(f"52:54:00:f0:{number:02x}:0{i}" for i in range(4))


MACS = macs_of(NUMBER)
ADDRESS = {"ip": "10.20.0.240"}


@dataclass
class Cloud:
    """A cloud's compute services, and what was asked to change them."""

    fake: FakeCloud
    services: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, host: str, **given: Any) -> None:
        """Let a compute service be there."""
        usual = {"id": f"s-{host}", "host": host, "binary": "nova-compute", "zone": "nova"}
        state = {"state": "up", "status": "enabled", "disabled_reason": None}
        self.services[host] = {**usual, **state, "forced_down": False, **given}

    def serve(self) -> None:
        """Answer what the upgrade asks: of servers and all that is theirs, that there is none."""
        for one in (LISTINGS | RAW).values():
            self.fake.listing(one.service, one.path, one.key, [], links=one.paging == "links")
        self.fake.route("GET", "placement", "/resource_providers", {"resource_providers": []})
        self.fake.route("GET", "compute", "/os-migrations", {"migrations": []})
        self.fake.route("GET", "compute", "/os-services", self._listed)
        self.fake.route("PUT", "compute", "/os-services/{id}", self._changed)
        self.fake.route("DELETE", "compute", "/os-services/{id}", self._deleted)
        self.fake.route("GET", "compute", "/os-hypervisors/detail", self._hypervisors)

    def _listed(self, request: Request) -> dict[str, Any]:
        wanted = request.query.get("host")
        return {"services": [s for h, s in self.services.items() if wanted in (None, h)]}

    def _changed(self, request: Request) -> dict[str, Any]:
        service = next(s for s in self.services.values() if s["id"] == request.parts["id"])
        if "status" in request.json():
            service["disabled_reason"] = None
        service |= request.json()
        return {"service": service}

    def _deleted(self, request: Request) -> Answer:
        self.services = {h: s for h, s in self.services.items() if s["id"] != request.parts["id"]}
        return Answer(204)

    def _hypervisors(self, request: Request) -> dict[str, Any]:
        rows = [
            answers.hypervisor(number)
            | {"id": f"h-{h}", "hypervisor_hostname": h, "service": {"host": h}, "running_vms": 0}
            for number, h in enumerate(self.services)
        ]
        return {"hypervisors": rows}


@dataclass
class Rack:
    """
    Everything around the host.

    Attributes:
        more: Hosts beside it, each with its number and its BMC.
    """

    source: Cloud
    target: Cloud
    fuel: FuelServer
    bmc: Peer
    more: dict[str, tuple[int, Peer]] = field(default_factory=dict)

    @property
    def hosts(self) -> dict[str, tuple[int, Peer]]:
        """Each host with its number and its BMC."""
        return {HOST: (NUMBER, self.bmc), **self.more}

    @property
    def resets(self) -> int:
        """How often the host was started anew: where a reset is refused, it is off and on."""
        return sum(order in STARTS for order in self.bmc.machine.told)

    def node(self, host: str = HOST) -> Any:
        """Return the host's node in Fuel; None when there is none."""
        with self.fuel.client() as client:
            return client.find_node(macs_of(self.hosts[host][0]))

    def add(self, host: str, number: int, bmc: Peer) -> None:
        """Let a host be beside the first: empty and in maintenance, too."""
        self.more[host] = (number, bmc)
        self.source.add(host, status="disabled", disabled_reason=Mark().text)
        _boots(self, host)

    def save(
        self,
        folder: Path,
        name: str = SITE,
        patient: bool = False,
        release: ReleaseOptions | None = None,
        **options: Any,
    ) -> None:
        """
        Write the blocks and the limit of site *name* to Prefect; *options* are of the upgrade.

        patient: Wait as long for an answer, and between two looks, as usual; else as a test does.
        """
        waits: dict[str, Any] = {"request_timeout_s": 60} if patient else {}
        pause = {"poll_interval_s": FuelAccess().poll_interval_s} if patient else {}
        access = self.fuel.access(**waits, **pause)
        quick = {"environment": "target", "retry_pause_s": 0.1, "timeouts": {"compute_s": 60}}
        site = Site(
            source=self.source.fake.block(**waits),
            target=self.target.fake.block(**waits),
            fuel=Fuel(**access.model_dump()),
            hosts={host: _settings(number) for host, (number, _) in self.hosts.items()},
            storage=Storage(url=str(folder)),
            maintenance=MaintenanceOptions(off_for_s=0.5),
            upgrade=UpgradeOptions.model_validate({**quick, **options}),
            release=release or ReleaseOptions(),
        )
        site.save(name, overwrite=True)
        with get_client(sync_client=True) as client:
            for host, (_, bmc) in self.hosts.items():
                Bmc(**bmc.access().model_dump()).save(bmc_block(name, host), overwrite=True)
                client.upsert_global_concurrency_limit_by_name(host_limit(name, host), 1)


def _settings(number: int) -> HostSettings:
    return HostSettings(boot_mac=macs_of(number)[0], macs=macs_of(number))


@contextmanager
def standing(folder: Path, by_fuel: bool = False) -> Iterator[Rack]:
    """
    Yield a rack whose host is empty and in maintenance, and boots as a machine does.

    by_fuel: Fuel installed it in the source, and has it in an environment *source*.
    """
    with ExitStack() as stack:
        source, target = (Cloud(stack.enter_context(FakeCloud())) for _ in range(2))
        source.add(HOST, status="disabled", disabled_reason=Mark().text)
        source.add("cmp2")
        rack = Rack(
            source,
            target,
            stack.enter_context(
                serving(
                    keepalive_timeout_s=86400.0,
                    source_hosts={HOST: machine(HOST, NUMBER) | ADDRESS} if by_fuel else None,
                )
            ),
            stack.enter_context(own_bmc(folder)),
        )
        for cloud in (source, target):
            cloud.serve()
        _boots(rack, HOST)
        _joins(rack)
        _is_wiped(rack)
        yield rack


def _is_wiped(rack: Rack) -> None:
    """Let the source's system end when Fuel is told to delete the host."""

    def ends(call: str) -> None:
        if call.startswith("DELETE /api/nodes/") and HOST in rack.source.services:
            rack.source.services[HOST]["state"] = "down"

    rack.fuel.world.watchers.append(ends)


def _boots(rack: Rack, host: str) -> None:
    """Let a reset end the source's system, and a network boot end in Fuel."""
    number, bmc = rack.hosts[host]
    behind, follow = bmc.machine, bmc.machine._follow

    def following(name: str, values: list[str]) -> None:
        follow(name, values)
        if " ".join((name, *values)) in STARTS and behind.boot[0] == "pxe":
            # A machine boots after it obeyed: a BMC whose answer is late is told again.
            Thread(target=booting, daemon=True).start()

    def booting() -> None:
        rack.source.services[host]["state"] = "down"
        if rack.node(host) is None:
            rack.fuel.register(number)

    behind._follow = following  # type: ignore[method-assign]


def _joins(rack: Rack) -> None:
    """Let the target have a host's compute service once Fuel says ready."""

    def listed(request: Request) -> dict[str, Any]:
        for host in rack.hosts:
            node = rack.node(host)
            is_ready = node and (node.cluster_id, node.status) == (ENVIRONMENT, "ready")
            if is_ready and host not in rack.target.services:
                rack.target.add(host)
        return rack.target._listed(request)

    rack.target.fake.route("GET", "compute", "/os-services", listed)


def follow_power(rack: Rack, reaches_fuel: Callable[[], bool] = lambda: True) -> None:
    """Let power and boot device decide what runs, and the network whether Fuel hears of it."""
    machine = rack.bmc.machine
    # The machine's own, which `_boots` has replaced: here the network decides.
    follow = partial(Machine._follow, machine)

    def following(name: str, values: list[str]) -> None:
        follow(name, values)
        starts = " ".join((name, *values)) in STARTS
        service = rack.source.services[HOST]
        service["state"] = "down" if not machine.power else service["state"]
        if starts and machine.boot[0] == "pxe":
            service["state"] = "down"
            if reaches_fuel() and rack.node() is None:
                rack.fuel.register(NUMBER)
        if starts and machine.boot[0] == "disk":
            service["state"] = "up"
            rack.fuel.fault("offline", mac=MACS[0])

    machine._follow = following  # type: ignore[method-assign]
