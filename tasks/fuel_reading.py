"""What Pumphouse reads of Fuel. Nothing here changes anything."""

from collections.abc import Iterable

from pumphouse.errors import FuelNodeUnclear, FuelRefused, Refused
from pumphouse.fuel import Cluster, Network, Node, NodeGroup, Notification, Release, Task, mac_set
from pumphouse.fuel_judging import match
from pumphouse.fuel_layouts import Disk, Interface, VolumeKind
from pumphouse.tasks.nailgun import Nailgun

NOT_FOUND = 404


class FuelReader(Nailgun):
    """
    The reads of one Fuel master. Close it, or use it in ``with``; threads may share it.

    All methods raise FuelUnreachable or FuelRefused as `Nailgun.call` does.
    """

    # ---- environments

    def version(self) -> str:
        """Return the release of the master. The cheapest call that needs a token."""
        return str(self.get("/version")["release"])

    def clusters(self) -> list[Cluster]:
        """Return all environments."""
        return self.many(Cluster, "GET /clusters/", self.get("/clusters/"))

    def cluster(self, name_or_id: str | int) -> Cluster:
        """
        Return one environment by its id or name.

        Raises:
            Refused: There is none; the names that exist are listed.
        """
        known = self.clusters()
        for cluster in known:
            if str(name_or_id) in (str(cluster.id), cluster.name):
                return cluster
        names = ", ".join(sorted(cluster.name for cluster in known)) or "none at all"
        raise Refused(f"Fuel environment {name_or_id}", [f"Fuel has {names}."])

    def release(self, release_id: int) -> Release:
        """Return one release."""
        path = f"/releases/{release_id}/"
        return self.one(Release, f"GET {path}", self.get(path))

    def networks(self, cluster_id: int) -> list[Network]:
        """Return the networks of an environment's node groups, and the admin network."""
        path = f"/clusters/{cluster_id}/network_configuration/neutron"
        return self.many(Network, f"GET {path}", self.get(path).get("networks"))

    def network_ids(self, cluster_id: int, group_id: int | None) -> dict[str, int]:
        """
        Return the networks' ids by name, as nodes of one group see them.

        The same name has another id in each node group, and Fuel refuses a foreign one
        (400). The admin network belongs to no group and so to all.
        """
        known = self.networks(cluster_id)
        return {n.name: n.id for n in known if n.group_id in (None, group_id)}

    def node_groups(self, cluster_id: int) -> list[NodeGroup]:
        """Return the node groups of an environment."""
        path = "/nodegroups/"
        return self.many(NodeGroup, f"GET {path}", self.get(path, cluster_id=cluster_id))

    # ---- nodes

    def nodes(self, cluster_id: int | None = None, *, free: bool = False) -> list[Node]:
        """
        Return all nodes, those of one environment, or the *free* ones of none, by id.

        Fuel knows no other filter, and its lists have no order.
        """
        query: dict[str, str | int] = {} if cluster_id is None else {"cluster_id": cluster_id}
        if free:
            query = {"cluster_id": ""}
        found = self.many(Node, "GET /nodes/", self.get("/nodes/", **query))
        return sorted(found, key=lambda node: node.id)

    def node(self, node_id: int) -> Node | None:
        """Return one node, or None when Fuel does not know that id (any more)."""
        path = f"/nodes/{node_id}/"
        try:
            return self.one(Node, f"GET {path}", self.get(path))
        except FuelRefused as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def find_node(self, macs: Iterable[str], *, free: bool = False) -> Node | None:
        """
        Return the node with all of *macs*, or None. Never the newest, never by name or IP.

        A deleted node comes back under a new id, so that hosts are tracked by their MACs.
        With *free* only nodes without an environment are looked at: a shorter list.

        Raises:
            FuelNodeUnclear: A node has only some of them, or several have all.
        """
        wanted = sorted(mac_set(macs))
        found = match(self.nodes(free=free), wanted)
        if found.doubtful:
            raise FuelNodeUnclear(
                wanted, [f"{n.label} has {', '.join(sorted(n.macs))}" for n in found.doubtful]
            )
        return found.node

    # ---- disks and ports

    def disks(self, node_id: int) -> list[Disk]:
        """
        Return the layout of a node's disks.

        Read it after the assignment: before, it has no volumes and 128 MiB more per disk.
        """
        path = f"/nodes/{node_id}/disks/"
        return self.many(Disk, f"GET {path}", self.get(path))

    def minimal_volumes(self, node_id: int) -> dict[str, int]:
        """Return the least total size in MiB of each volume that the node's roles ask for."""
        path = f"/nodes/{node_id}/volumes/"
        found = self.many(VolumeKind, f"GET {path}", self.get(path))
        return {volume.name: volume.min_size for volume in found}

    def interfaces(self, node_id: int) -> list[Interface]:
        """Return a node's ports and bonds with the networks on them."""
        path = f"/nodes/{node_id}/interfaces/"
        return self.many(Interface, f"GET {path}", self.get(path))

    # ---- jobs

    def tasks(self, cluster_id: int) -> list[Task]:
        """Return the tasks of an environment that are not superseded yet, by id."""
        found = self.many(Task, "GET /tasks/", self.get("/tasks/", cluster_id=cluster_id))
        return sorted(found, key=lambda task: task.id)

    def running(self, cluster_id: int) -> list[Task]:
        """Return what Fuel does in an environment now; subtasks are left out."""
        return [t for t in self.tasks(cluster_id) if not t.over and t.parent_id is None]

    def task(self, task_id: int) -> Task:
        """
        Return one task, also one that newer tasks have superseded.

        Fuel hides finished tasks (404) as soon as a new one starts; transactions keep them.
        """
        for path in (f"/tasks/{task_id}/", f"/transactions/{task_id}/"):
            try:
                return self.one(Task, f"GET {path}", self.get(path))
            except FuelRefused as error:
                if error.status != NOT_FOUND:
                    raise
                missing = error
        raise missing

    def notifications(self, node_id: int | None = None, since: int = 0) -> list[Notification]:
        """
        Return what Fuel told its operators after notification *since*, oldest first.

        The text of a node's failure is only here and in the task's message.
        """
        path = "/notifications/"
        found = self.many(Notification, f"GET {path}", self.get(path))
        wanted = [n for n in found if n.id > since and node_id in (None, n.node_id)]
        return sorted(wanted, key=lambda notification: notification.id)

    def there(self, node_id: int) -> Node:
        """Return one node. Raises FuelRefused (404) when Fuel does not know that id."""
        node = self.node(node_id)
        if node is None:
            raise FuelRefused(f"GET /nodes/{node_id}/", NOT_FOUND, "Node not found")
        return node
