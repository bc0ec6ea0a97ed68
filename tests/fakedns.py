"""Designate's zones and record sets on a `FakeCloud`, as its API answers and refuses."""

from dataclasses import dataclass, field
from typing import Any

from tests.fakecloud import Answer, FakeCloud, Request

Raw = dict[str, Any]


@dataclass
class FakeDns:
    """
    A Designate that remembers.

    Attributes:
        polls: So often a zone is PENDING before it is what *becomes* says.
    """

    cloud: FakeCloud
    servers: tuple[str, ...] = ("ns1.new.example.",)
    becomes: str = "ACTIVE"
    polls: int = 1
    zones: dict[str, Raw] = field(default_factory=dict)
    recordsets: dict[str, Raw] = field(default_factory=dict)
    _left: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        routes = {
            ("GET", "/zones"): self._list_zones,
            ("POST", "/zones"): self._create,
            ("GET", "/zones/{id}"): self._show,
            ("PATCH", "/zones/{id}"): self._update,
            ("DELETE", "/zones/{id}"): self._delete,
            ("GET", "/recordsets"): self._list_recordsets,
            ("GET", "/zones/{id}/recordsets"): self._list_recordsets,
            ("POST", "/zones/{id}/recordsets"): self._create_recordset,
        }
        for (method, path), handler in routes.items():
            self.cloud.route(method, "dns", path, handler)

    def add(self, name: str, project_id: str, *sets: Raw, **values: Any) -> Raw:
        """Have a zone with SOA and NS of its pool and with *sets*."""
        zone = {
            "id": f"z-{name}", "name": name, "project_id": project_id, "pool_id": "pool",
            "type": "PRIMARY", "email": "dns@example.org", "ttl": 3600, "serial": 1404757531,
            "status": "ACTIVE", "action": "NONE", "description": None, "masters": [],
            "attributes": {}, "version": 1, "created_at": "2026-03-01T00:00:00.000000",
            "updated_at": None, "transferred_at": None, "shared": False, "links": {},
        }  # fmt: skip
        zone |= values
        self.zones[zone["id"]] = zone
        if zone["type"] == "PRIMARY":
            self._put(zone, {"name": name, "type": "SOA", "records": [f"{self.servers[0]} x. 1"]})
            self._put(zone, {"name": name, "type": "NS", "records": list(self.servers)})
        for each in sets:
            self._put(zone, each)
        return zone

    def says(self, name: str) -> set[tuple[Any, ...]]:
        """Return what the record sets of a zone say, SOA and NS of its pool left out."""
        (zone,) = [z for z in self.zones.values() if z["name"] == name]
        return {
            (s["name"], s["type"], s["ttl"], *s["records"])
            for s in self.recordsets.values()
            if s["zone_id"] == zone["id"]
            and s["type"] != "SOA"
            and not (s["type"] == "NS" and s["name"] == name)
        }

    def _put(self, zone: Raw, said: Raw) -> Raw:
        id_ = f"r{len(self.recordsets)}"
        more = {"zone_id": zone["id"], "zone_name": zone["name"], "status": "ACTIVE"}
        more |= {"project_id": zone["project_id"], "action": "NONE"}
        self.recordsets[id_] = {"id": id_, "ttl": None, "description": None, **more, **said}
        return self.recordsets[id_]

    def _visible(self, rows: list[Raw], request: Request) -> list[Raw]:
        if request.headers.get("x-auth-all-projects") == "true":
            return rows
        mine = request.headers.get("x-auth-sudo-project-id", "admin-project")
        return [row for row in rows if row["project_id"] == mine]

    def _list_zones(self, request: Request) -> Raw:
        return {"zones": self._visible(list(self.zones.values()), request), "links": {}}

    def _list_recordsets(self, request: Request) -> Raw | Answer:
        zone_id = request.parts.get("id")
        rows = [s for s in self.recordsets.values() if zone_id in (None, s["zone_id"])]
        return {"recordsets": self._visible(rows, request), "links": {}}

    def _create(self, request: Request) -> Answer:
        body = request.json()
        if any(zone["name"] == body["name"] for zone in self.zones.values()):
            return Answer(
                409, {"code": 409, "type": "duplicate_zone", "message": "Duplicate Zone"}
            )
        project = request.headers["x-auth-sudo-project-id"]
        zone = self.add(**{"project_id": project, "status": "PENDING", "action": "CREATE", **body})
        self._left[zone["id"]] = self.polls
        return Answer(202, zone)

    def _found(self, request: Request) -> Raw | None:
        found = self._visible([z for z in self.zones.values() if z["id"] == request.parts["id"]],
                              request)  # fmt: skip
        return found[0] if found else None

    def _show(self, request: Request) -> Raw | Answer:
        zone = self._found(request)
        if zone and self._left.get(zone["id"], 0) > 0:
            self._left[zone["id"]] -= 1
        elif zone and zone["action"] == "DELETE":
            del self.zones[zone["id"]]
            zone = None
        elif zone and zone["status"] == "PENDING":
            zone |= {"status": self.becomes, "action": "NONE"}
        return dict(zone) if zone else _missing("zone")

    def _update(self, request: Request) -> Answer:
        zone = self._found(request)
        if zone is None:
            return _missing("zone")
        zone |= request.json() | {"serial": zone["serial"] + 1, "status": "PENDING"}
        return Answer(202, zone)

    def _delete(self, request: Request) -> Answer:
        zone = self._found(request)
        if zone is None:
            return _missing("zone")
        if any(z["name"].endswith(f".{zone['name']}") for z in self.zones.values()):
            words = "Please delete any subzones before deleting this zone"
            return Answer(400, {"code": 400, "type": "zone_has_sub_zone", "message": words})
        if zone["shared"] and request.headers.get("x-designate-delete-shares") != "true":
            return Answer(400, {"code": 400, "type": "zone_shared", "message": "Zone is shared."})
        zone |= {"status": "PENDING", "action": "DELETE"}
        self._left[zone["id"]] = self.polls
        return Answer(202, zone)

    def _create_recordset(self, request: Request) -> Answer:
        zone, body = self._found(request), request.json()
        if zone is None:
            return _missing("zone")
        if body["type"] == "SOA":
            return Answer(400, {"code": 400, "message": "Creating a SOA recordset is not allowed"})
        same = [s for s in self.recordsets.values() if s["zone_id"] == zone["id"]]
        if any((s["name"], s["type"]) == (body["name"], body["type"]) for s in same):
            return Answer(409, {"code": 409, "message": "Duplicate RecordSet"})
        for child in self.zones.values():
            inside = f".{body['name']}".endswith(f".{child['name']}")
            if inside and child["name"].endswith(f".{zone['name']}"):
                words = f"RecordSet belongs in a child zone: {child['name']}"
                return Answer(400, {"code": 400, "message": words})
        zone |= {"status": "PENDING", "action": "UPDATE"}
        return Answer(202, self._put(zone, body))


def _missing(what: str) -> Answer:
    return Answer(404, {"code": 404, "type": f"{what}_not_found", "message": "Could not find it"})
