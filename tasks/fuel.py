"""
What Pumphouse asks of Fuel, one method for each thing, with Nailgun's traps around it.

One host is provisioned and deployed selectively. ``/changes/`` is never called: it deploys
every node of the environment again, provisions all that are pending, and carries out every
deletion that anyone has marked. Neither is ``stop_deployment``: it sends every node that is
not ready back to bootstrap, whoever owns it, also when nothing runs.
"""

from collections.abc import Sequence

from pumphouse.errors import FuelRefused, FuelUnreachable, Refused, Unverified
from pumphouse.fuel import Node, Task
from pumphouse.fuel_judging import (
    assign_problems,
    deploy_problems,
    disk_differences,
    disk_problems,
    interface_differences,
    provision_problems,
    unassign_problems,
)
from pumphouse.fuel_layouts import Disk, Interface
from pumphouse.tasks.fuel_reading import NOT_FOUND, FuelReader


class FuelClient(FuelReader):
    """
    The calls of one Fuel master. Close it, or use it in ``with``; threads may share it.

    All methods raise FuelUnreachable, FuelBusy or FuelRefused as `Nailgun.call` does.
    """

    def __enter__(self) -> "FuelClient":
        return self

    # ---- nodes

    def rename(self, node_id: int, name: str) -> None:
        """Set a node's name in Fuel. Its hostname can change only in bootstrap (else 403)."""
        self.call("PUT", f"/nodes/{node_id}/", {"name": name}, repeat=True)

    def set_label(self, node_id: int, key: str, value: str | None) -> None:
        """Set one of a node's labels, or take it away with None. The others are kept."""
        labels = {k: v for k, v in self.there(node_id).labels.items() if k != key}
        if value is not None:
            labels[key] = value
        self.call("PUT", f"/nodes/{node_id}/", {"labels": labels}, repeat=True)

    def set_hostname(self, node_id: int, hostname: str) -> None:
        """Set the host name that the node will get. Only in bootstrap; Fuel says 403 later."""
        self.call("PUT", f"/nodes/{node_id}/", {"hostname": hostname}, repeat=True)

    def assign(self, cluster_id: int, node_id: int, roles: Sequence[str]) -> None:
        """
        Put a node in bootstrap into an environment with *roles*. Harmless to repeat.

        By /assignment/, which refuses roles that conflict; a PUT of pending_roles does not.

        Raises:
            Refused: The node is elsewhere or not in bootstrap.
        """
        node = self.there(node_id)
        _insist(f"Assigning {node.label}", assign_problems(node, cluster_id))
        body = [{"id": node_id, "roles": list(roles)}]
        self.call("POST", f"/clusters/{cluster_id}/assignment/", body, repeat=True)

    def unassign(self, node_id: int) -> None:
        """
        Take a node in bootstrap out of its environment.

        Raises:
            Refused: It is in another state: Fuel would only mark it for deletion.
        """
        node = self.there(node_id)
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

    def put_disks(self, node_id: int, wanted: Sequence[Disk]) -> list[Disk]:
        """
        Set the layout of a node's disks, by the ids of its own disks, and read it back.

        Checked against the real sizes first: Fuel compares with the size in the request.

        Raises:
            Refused: It does not fit.
            Unverified: Fuel took it and kept something else.
        """
        node = self.there(node_id)
        _insist(f"The disk layout of {node.label}", disk_problems(self.disks(node_id), wanted))
        body = [disk.body() for disk in wanted]
        self.call("PUT", f"/nodes/{node_id}/disks/", body, repeat=True)
        kept = self.disks(node_id)
        _verify("disks of", node, disk_differences(wanted, kept))
        return kept

    def put_interfaces(self, node_id: int, wanted: Sequence[Interface]) -> list[Interface]:
        """
        Set the networks and bonds of a node's ports, by the ids of its own, and read it back.

        Raises:
            Unverified: Fuel took it and kept something else: it ignores renamed ports.
        """
        node = self.there(node_id)
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

    def _listed(self, node_ids: Sequence[int]) -> list[Node]:
        if not node_ids:
            raise ValueError("no nodes given, which Fuel would take as all that are pending")
        return [self.there(node_id) for node_id in node_ids]

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
