"""What is looked at before one server is cut over: nothing is touched, and no downtime begins."""

from contextlib import ExitStack

from pumphouse import bonds, checks
from pumphouse.checks import WAS
from pumphouse.comparison import MIGRATED_TO
from pumphouse.errors import (
    Conflict,
    CutOverFailed,
    MovedMeanwhile,
    PumphouseError,
    ServerClaimed,
    Unhealthy,
    WaitFailed,
)
from pumphouse.fingerprints import OWN
from pumphouse.forwardings import Forwarding
from pumphouse.models import ON_CEPH
from pumphouse.tables import Row
from pumphouse.tasks import (
    claims,
    device_tags,
    forwardings,
    health,
    images,
    ports,
    servers,
    volume_movers,
    volumes,
)
from pumphouse.tasks.crossing import Crossing
from pumphouse.tasks.empty_volumes import HOST
from pumphouse.verdicts import ATTACHED, TASK

SHARED_SINCE = (2, 60)
"""Compute microversion that attaches a volume to several servers."""


class Readiness(Crossing):
    """One server that is looked at, signed in for, and claimed."""

    def prepare(self, stack: ExitStack) -> None:
        """Look and sign in before anything is touched: what fails here costs no downtime."""
        try:
            self.live = servers.read_server(self.source, self.id)
            self.require_unclaimed(self.live)
            if WAS in (self.live.get("metadata") or {}):
                # A killed run may have asked for something that Nova is still at.
                timeout_s = self.timeouts.server_stop_s
                self.live = servers.settle(self.source, self.id, timeout_s, self.stop)
                self.require_unclaimed(self.live)
            self.is_resumed = WAS in (self.live.get("metadata") or {})
            self.check_drift()
            user = self.ids["users"].get(self.row["user_id"], "")
            project = self.ids["projects"][self.row["project_id"]]
            self.owner, self.lost = stack.enter_context(self.sign_in(user, project))
            for service in ("compute", "block-storage"):
                self.owner.adapter(service)
                self.owner.microversion(service)
            self._require_sharing()
            self.flavor_id = self._flavor()
            self.tags_inside = device_tags.read(self.source, self.id)
            self._check_health()
            self.copy = servers.find_copy(self.target, self.sought)
            if self.copy and not self.is_resumed:
                # Its disks are of an unknown time: going on with them could lose what came after.
                raise Conflict("servers", self.item.label, [
                    f"server {self.copy['id']} carries its id, but no cut-over is under way; "
                    "delete that server"
                ])  # fmt: skip
            for port in self.every_port():
                ports.read_port(self.target, self.ids["ports"][port["id"]])
            for floating_ip in self._floating_ips_there():
                ports.read_floating_ip(self.target, floating_ip)
            if not self.copy or self.copy["status"] == "ERROR":
                # What a killed run left is old: the server may have run since.
                servers.delete_snapshots(self.source, self.id)
                images.delete_copies(self.target, self.id)
            self.after_step("prepare")
        except PumphouseError as error:
            is_claimed = isinstance(error, ServerClaimed)
            state = "Nothing was touched." if is_claimed else self.untouched
            raise CutOverFailed(self.item.label, "prepare", str(error), state) from error

    def check_drift(self) -> None:
        """Raise `WaitFailed` if the source server, or a volume of it, is not as the plan says."""
        state = (self.live.get("metadata") or {}).get(WAS) or self.live["status"]
        task = self.live.get(TASK)
        if state not in checks.MOVABLE or task:
            became = f"It is {state}{f' and {task}' if task else ''}."
            raise WaitFailed(f"server {self.item.label} to be ACTIVE or SHUTOFF, and idle", became)
        attached = {v["id"] for v in self.live[ATTACHED]}
        if attached != {v["id"] for v in self.row["attached"]}:
            raise WaitFailed(
                f"the volumes of server {self.item.label} to be those of the plan",
                "A volume was attached or detached since; run again.",
            )
        for volume in self.row["attached"]:
            self._require_same_volume(volume)
            if volume.get("is_multiattach"):
                self._require_same_users(volume)

    def _require_same_volume(self, volume: Row) -> None:
        """Raise `WaitFailed` if a volume changed since the plan, or cannot be moved as it is."""
        raw, mover = volumes.read_volume(self.source, volume["id"]), self.mover_of(volume)
        label = f"volume {volume['name']} ({volume['id']})"
        if words := checks.unreadable(raw):
            raise WaitFailed(f"{label} to be available or in-use", f"It {words}")
        # What is uploaded is found by its id alone, wherever it lies.
        told = {"GiB": (volume["size_gib"], raw["size"])}
        told |= {"back end": (volume["host"], raw.get(HOST))} if mover in ON_CEPH else {}
        if found := [f"{of} {old} → {new}" for of, (old, new) in told.items() if old != new]:
            became = f"It changed since ({', '.join(found)}); run again."
            raise WaitFailed(f"{label} to be as in the plan", became)
        if said := volume_movers.problems(self.carrier(volume), volume, mover):
            raise WaitFailed(f"{label} to be ready for the mover {mover}", " ".join(said))

    def _require_same_users(self, volume: Row) -> None:
        """Raise `WaitFailed` if a volume that may be shared is at other servers than planned."""
        live, planned = volumes.users(self.source, volume["id"]), bonds.users(volume)
        if set(live) != set(planned):
            raise WaitFailed(
                f"volume {volume['name']} ({volume['id']}) to be attached to {', '.join(planned)}",
                f"It is attached to {', '.join(sorted(live))}; run again.",
            )

    def _check_health(self) -> None:
        """Ask a running source server what it will be asked at the target."""
        if self.is_resumed or self.live["status"] != "ACTIVE" or not self.checks:
            return
        here = [port["id"] for port in self.row["ports"]]
        asked = health.subject(self.source, self.item, self.id, here)
        self.ailing = health.ailments(self.checks, asked, health.BEFORE, self.stop)
        if self.ailing and not self.moves_unhealthy:
            raise Unhealthy(self.item.label, self.source.name, health.told(self.ailing))
        for name, why in self.ailing.items():
            self.log(f"It fails the check {name} before its move: {why}")

    def _require_sharing(self) -> None:
        """Raise `Conflict` if the target's Nova attaches no volume to several servers."""
        assert self.owner is not None
        version = self.owner.microversion("compute") or "2.1"
        if bonds.shared(self.row) and tuple(map(int, version.split("."))) < SHARED_SINCE:
            raise Conflict("servers", self.item.label, [
                f"the target's Nova ({version}) attaches a volume to one server only; others "
                "must let go of it"
            ])  # fmt: skip

    def _flavor(self) -> str:
        name = self.row["flavor_name"]
        found = self.target.list("compute", "/flavors", "flavors", params={"is_public": "None"})
        for flavor in found:
            if flavor["name"] == name:
                return str(flavor["id"])
        raise WaitFailed(f"flavor {name} at the target", "There is none of that name.")

    def require_unclaimed(self, live: servers.Server) -> None:
        """Raise `ServerClaimed` if another run is at it, `MovedMeanwhile` if one has moved it."""
        metadata = live.get("metadata") or {}
        if there := metadata.get(MIGRATED_TO):
            # That run is done with it: nothing of it is to be carried on or undone any more.
            raise MovedMeanwhile(self.item.label, f"the target, as {there},")
        if who := claims.rival(metadata.get(claims.RUN, "")):
            raise ServerClaimed(self.item.label, who)

    def claim(self) -> None:
        """Take over the journal of a run that is dead."""
        metadata = self.live.get("metadata") or {}
        claim = {claims.RUN: claims.own()} | self.grouped
        servers.write_metadata(self.source, self.id, claim)
        self.is_ours = True
        self.journal = {k: v for k, v in metadata.items() if k.startswith(OWN)} | claim

    def _floating_ips_there(self) -> list[str]:
        """Return the target's ids of the floating IPs that go with it."""
        there = self.ids.get("floating_ips", {})
        keys = [key.partition(":") for key in self.item.depends_on]
        return [there[id_] for kind, _, id_ in keys if kind == "floating_ips" and id_ in there]

    def floating_at_source(self, port_id: str) -> list[Row]:
        """Return the floating IPs that are bound to a source port now: all are in the plan."""
        found = self.source.list(
            "network", "/floatingips", "floatingips", params={"port_id": port_id}
        )
        there = self.ids.get("floating_ips", {})
        if new := [fip["floating_ip_address"] for fip in found if fip["id"] not in there]:
            raise WaitFailed(
                f"the floating IPs of server {self.item.label} to be those of the plan",
                f"{', '.join(new)} came since; run again.",
            )
        return found

    def forwarded_at_source(self) -> dict[str, list[Forwarding]]:
        """Return its port forwardings that are carried, of those that are there now."""
        found: dict[str, list[Forwarding]] = {}
        ours = self.same_ports
        for floating_ip in self.row.get("forwardings", ()):
            those = [Forwarding(**each) for each in floating_ip["those"]]
            planned = {one.way: one for one in those}
            live = forwardings.listed(self.source, floating_ip["id"])
            live = [one for one in live if one.port_id in ours]
            if new := [one.label for one in live if one.way not in planned]:
                raise WaitFailed(
                    f"the port forwardings of server {self.item.label} to be those of the plan",
                    f"{', '.join(new)} on {floating_ip['address']} came since; run again.",
                )
            kept = [planned[one.way] for one in live]
            found[floating_ip["id"]] = [one for one in kept if one.is_carried]
        return found
