"""
What Pumphouse asks of Fuel, one method for each thing, with Nailgun's traps around it.

One host is provisioned and deployed selectively. ``/changes/`` is never called: it deploys
every node of the environment again, provisions all that are pending, and carries out every
deletion that anyone has marked. Neither is ``stop_deployment``: it sends every node that is
not ready back to bootstrap, whoever owns it, also when nothing runs.
"""

from collections.abc import Iterable, Sequence

from pumphouse.errors import FuelNodeUnclear, FuelRefused, FuelUnreachable, Refused, Unverified
from pumphouse.fuel import (
    Cluster,
    Disk,
    Interface,
    Network,
    Node,
    NodeGroup,
    Notification,
    Release,
    Task,
    VolumeKind,
    mac_set,
)
from pumphouse.fuel_judging import (
    assign_problems,
    deploy_problems,
    disk_differences,
    disk_problems,
    interface_differences,
    match,
    provision_problems,
    unassign_problems,
)
from pumphouse.tasks.nailgun import Nailgun

NOT_FOUND = 404


class FuelClient(Nailgun):
    """
    The calls of one Fuel master. Close it, or use it in ``with``; threads may share it.

    All methods raise FuelUnreachable, FuelBusy or FuelRefused as `Nailgun.call` does.
    """

    def __enter__(self) -> "FuelClient":
        return self

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

    def nodes(self, cluster_id: int | None = None) -> list[Node]:
        """
        Return all nodes, or those of one environment, by id.

        Fuel knows no other filter, and its lists have no order.
        """
        query = {} if cluster_id is None else {"cluster_id": cluster_id}
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

    def find_node(self, macs: Iterable[str]) -> Node | None:
        """
        Return the node with all of *macs*, or None. Never the newest, never by name or IP.

        A deleted node comes back under a new id, so that hosts are tracked by their MACs.

        Raises:
            FuelNodeUnclear: A node has only some of them, or several have all.
        """
        wanted = sorted(mac_set(macs))
        found = match(self.nodes(), wanted)
        if found.doubtful:
            raise FuelNodeUnclear(
                wanted, [f"{n.label} has {', '.join(sorted(n.macs))}" for n in found.doubtful]
            )
        return found.node

    def rename(self, node_id: int, name: str) -> None:
        """Set a node's name in Fuel. Its hostname can change only in bootstrap (else 403)."""
        self.call("PUT", f"/nodes/{node_id}/", {"name": name}, repeat=True)

    def set_label(self, node_id: int, key: str, value: str | None) -> None:
        """Set one of a node's labels, or take it away with None. The others are kept."""
        labels = {k: v for k, v in self._there(node_id).labels.items() if k != key}
        if value is not None:
            labels[key] = value
        self.call("PUT", f"/nodes/{node_id}/", {"labels": labels}, repeat=True)

    def set_hostname(self, node_id: int, hostname: str) -> None:
        """Set the host name that the node will get. Only in bootstrap; Fuel says 403 later."""
        self.call("PUT", f"/nodes/{node_id}/", {"hostname": hostname}, repeat=True)

    def set_group(self, node_id: int, group_id: int) -> None:
        """Move a node to a node group; only once it is assigned. Its ports are reset by that."""
        self.call("PUT", f"/nodes/{node_id}/", {"group_id": group_id}, repeat=True)

    def assign(self, cluster_id: int, node_id: int, roles: Sequence[str]) -> None:
        """
        Put a node in bootstrap into an environment with *roles*. Harmless to repeat.

        By /assignment/, which refuses roles that conflict; a PUT of pending_roles does not.

        Raises:
            Refused: The node is elsewhere or not in bootstrap.
        """
        node = self._there(node_id)
        _insist(f"Assigning {node.label}", assign_problems(node, cluster_id))
        body = [{"id": node_id, "roles": list(roles)}]
        self.call("POST", f"/clusters/{cluster_id}/assignment/", body, repeat=True)

    def unassign(self, node_id: int) -> None:
        """
        Take a node in bootstrap out of its environment.

        Raises:
            Refused: It is in another state: Fuel would only mark it for deletion.
        """
        node = self._there(node_id)
        _insist(f"Unassigning {node.label}", unassign_problems(node))
        path = f"/clusters/{node.cluster_id}/unassignment/"
        self.call("POST", path, [{"id": node_id}], repeat=True)

    def delete_node(self, node_id: int) -> Task | None:
        """
        Wipe a node and drop it from Fuel; return the task, or None when it is gone already.

        When it is done the host reboots into bootstrap and comes back under another id.
        """
        path = f"/nodes/{node_id}/"
        try:
            raw = self.call("DELETE", path)
        except FuelRefused as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return self.one(Task, f"DELETE {path}", raw)

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

    def put_disks(self, node_id: int, wanted: Sequence[Disk]) -> list[Disk]:
        """
        Set the layout of a node's disks, by the ids of its own disks, and read it back.

        Checked against the real sizes first: Fuel compares with the size in the request.

        Raises:
            Refused: It does not fit.
            Unverified: Fuel took it and kept something else.
        """
        node = self._there(node_id)
        _insist(f"The disk layout of {node.label}", disk_problems(self.disks(node_id), wanted))
        body = [disk.body() for disk in wanted]
        self.call("PUT", f"/nodes/{node_id}/disks/", body, repeat=True)
        kept = self.disks(node_id)
        _verify("disks of", node, disk_differences(wanted, kept))
        return kept

    def interfaces(self, node_id: int) -> list[Interface]:
        """Return a node's ports and bonds with the networks on them."""
        path = f"/nodes/{node_id}/interfaces/"
        return self.many(Interface, f"GET {path}", self.get(path))

    def put_interfaces(self, node_id: int, wanted: Sequence[Interface]) -> list[Interface]:
        """
        Set the networks and bonds of a node's ports, by the ids of its own, and read it back.

        Raises:
            Unverified: Fuel took it and kept something else: it ignores renamed ports.
        """
        node = self._there(node_id)
        body = [port.body() for port in wanted]
        self.call("PUT", f"/nodes/{node_id}/interfaces/", body, repeat=True)
        kept = self.interfaces(node_id)
        _verify("ports of", node, interface_differences(wanted, kept))
        return kept

    # ---- jobs

    def provision(self, cluster_id: int, node_ids: Sequence[int]) -> Task:
        """
        Start installing the operating system on exactly *node_ids*; return the task.

        Raises:
            Refused: A node is not in that environment, has no role, is offline or at work.
            ValueError: *node_ids* is empty, which Fuel takes as all that are pending.
        """
        nodes = self._listed(node_ids)
        problems = [p for node in nodes for p in provision_problems(node, cluster_id)]
        return self._start("provision", cluster_id, nodes, problems)

    def deploy(self, cluster_id: int, node_ids: Sequence[int]) -> Task:
        """
        Start deploying OpenStack on exactly *node_ids*; return the task.

        Checked first, since Fuel itself accepts nodes that are not provisioned, of another
        environment, marked for deletion, or offline (which it then skips and calls ready).

        Raises:
            Refused: One of these.
            ValueError: *node_ids* is empty.
        """
        nodes = self._listed(node_ids)
        problems = [p for node in nodes for p in deploy_problems(node, cluster_id)]
        return self._start("deploy", cluster_id, nodes, problems)

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

    def _there(self, node_id: int) -> Node:
        node = self.node(node_id)
        if node is None:
            raise FuelRefused(f"GET /nodes/{node_id}/", NOT_FOUND, "Node not found")
        return node

    def _listed(self, node_ids: Sequence[int]) -> list[Node]:
        if not node_ids:
            raise ValueError("no nodes given, which Fuel would take as all that are pending")
        return [self._there(node_id) for node_id in node_ids]

    def _start(
        self, action: str, cluster_id: int, nodes: Sequence[Node], problems: Sequence[str]
    ) -> Task:
        names = ", ".join(node.label for node in nodes)
        _insist(f"To {action} {names}", problems)
        path = f"/clusters/{cluster_id}/{action}/?nodes={','.join(str(n.id) for n in nodes)}"
        newest = max((task.id for task in self.tasks(cluster_id)), default=0)
        try:
            return self.one(Task, f"PUT {path}", self.call("PUT", path))
        except FuelUnreachable:
            # Its answer may have been lost with the job begun: a second one would hit a
            # host that is being installed.
            for task in self.tasks(cluster_id):
                if task.id > newest and task.name == action and task.parent_id is None:
                    return task
            raise


def _insist(what: str, problems: Sequence[str]) -> None:
    if problems:
        raise Refused(what, problems)


def _verify(kind: str, node: Node, differences: Sequence[str]) -> None:
    if differences:
        raise Unverified(kind, node.label, str(node.id), differences)
