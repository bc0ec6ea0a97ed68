"""The client of Fuel against the stand-in, over HTTP: every trap of the real server."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from pumphouse.errors import (
    FuelBusy,
    FuelNodeUnclear,
    FuelRefused,
    FuelTaskFailed,
    FuelUnreachable,
    Interrupted,
    Refused,
    Unverified,
    WaitFailed,
)
from pumphouse.fuel import Task
from pumphouse.fuel_judging import deploy_failure, provision_failure
from pumphouse.fuel_layouts import Disk, Interface
from pumphouse.tasks.fuel import FuelClient
from pumphouse.tasks.fuel_waits import (
    last_words,
    wait_gone,
    wait_idle,
    wait_node,
    wait_registered,
    wait_task,
)
from tests.fuel_server import ENVIRONMENT, MODEL, FuelServer, serving

pytestmark = pytest.mark.hosts

LONG_S = 60


@pytest.fixture
def server() -> Iterator[FuelServer]:
    """A new stand-in, with an environment that has a model node."""
    with serving() as running:
        yield running


@pytest.fixture
def client(server: FuelServer) -> Iterator[FuelClient]:
    """A client of it."""
    with server.client() as opened:
        yield opened


# ---- logging in


@pytest.mark.parametrize("version", ["", "/v2.0", "/v3"])
def test_it_logs_in_by_either_version_of_keystone(server: FuelServer, version: str) -> None:
    """An auth URL may name v2.0 or v3, or neither."""
    with server.client(auth_url=f"{server.url}/keystone{version}") as client:
        assert client.version() == "10.0"


def test_a_keystone_without_v3_is_asked_by_v2(server: FuelServer) -> None:
    """Old masters know v2.0 only."""
    server.fault("answer", pattern="v3/auth/tokens", status=404, body="not found")
    with server.client() as client:
        assert client.version() == "10.0"


def test_a_wrong_password_is_refused_at_once_and_not_shown(server: FuelServer) -> None:
    """The error says who was refused and never the password."""
    with server.client(password="wrong-one") as client, pytest.raises(FuelRefused) as caught:
        client.version()
    assert caught.value.status == 401
    assert "user admin of tenant admin" in str(caught.value)
    assert "wrong-one" not in str(caught.value)


def test_a_token_that_ends_in_the_middle_is_renewed(
    server: FuelServer, client: FuelClient
) -> None:
    """401 means a new token and the same request again, whatever the old one promised."""
    client.version()
    server.control("/auth", {"expire": True})
    assert len(client.nodes()) == 6
    server.control("/auth", {"expire": True})
    node_id = server.register()
    client.assign(ENVIRONMENT, node_id, ["compute"])


def test_a_token_that_ends_during_a_wait_does_not_end_the_wait(
    server: FuelServer, client: FuelClient
) -> None:
    """A deployment takes longer than a token lives."""
    node = server.assigned(client)
    task = client.provision(ENVIRONMENT, [node.id])

    def expire(_: Task) -> None:
        server.control("/auth", {"expire": True})

    assert wait_task(client, task.id, LONG_S, expire).status == "ready"


def test_without_a_user_no_token_is_asked_for(server: FuelServer) -> None:
    """A development master has no Keystone."""
    server.control("/auth", {"on": False})
    with server.client(username="", password="") as client:
        assert client.version() == "10.0"
    assert not [call for call in server.calls() if "keystone" in call]


# ---- nodes


def test_a_host_is_found_by_all_of_its_macs(server: FuelServer, client: FuelClient) -> None:
    """Upper case and dashes are the same; the newest node is not meant."""
    first = server.register(77)
    server.register(78, ip="10.20.0.241")
    node = client.find_node(["52-54-00-F0-4D-00", "52:54:00:f0:4d:03"])
    assert node is not None
    assert first == node.id


def test_a_host_that_fuel_does_not_know_is_none(client: FuelClient) -> None:
    """Not known is no error."""
    assert client.find_node(["52:54:00:00:00:01"]) is None
    assert client.node(999) is None


def test_a_host_with_only_some_of_the_macs_is_unclear(
    server: FuelServer, client: FuelClient
) -> None:
    """A swapped port is the operator's to judge, before a host is wiped."""
    server.register(77)
    with pytest.raises(FuelNodeUnclear, match="Nothing was changed"):
        client.find_node(["52:54:00:f0:4d:00", "52:54:00:99:99:99"])


def test_a_host_that_registers_is_waited_for(server: FuelServer, client: FuelClient) -> None:
    """The wait begins before Fuel knows the host."""
    timer = threading.Timer(0.3, server.register, [77])
    timer.start()
    node = wait_registered(client, ["52:54:00:f0:4d:00"], LONG_S)
    assert (node.status, node.online) == ("discover", True)


def test_a_host_that_is_not_there_yet_is_looked_for_among_the_free(
    server: FuelServer, client: FuelClient
) -> None:
    """All nodes are long; once it is found, only its own node is read."""
    with pytest.raises(WaitFailed):
        wait_registered(client, ["52:54:00:f0:4d:00"], 0.8)
    assert "GET /api/nodes/" in server.calls()
    queries = [call for call in server.queries() if call.startswith("GET /api/nodes/")]
    assert queries.count("GET /api/nodes/?cluster_id=") > queries.count("GET /api/nodes/")


def test_a_known_host_that_boots_again_keeps_its_node(
    server: FuelServer, client: FuelClient
) -> None:
    """The agent in bootstrap writes discover over ready; cluster and roles stay."""
    server.agent(id=MODEL, status="discover", agent_checksum="boots")
    node = wait_registered(client, ["52:54:00:f0:15:00"], LONG_S)
    assert (node.id, node.roles, node.pending_addition) == (MODEL, ("compute",), False)


def test_a_host_outside_the_admin_network_ends_the_wait(
    server: FuelServer, client: FuelClient
) -> None:
    """Fuel takes the node and puts it into error; its words are only in a notification."""
    server.register(77, ip="192.168.99.9")
    with pytest.raises(FuelTaskFailed, match="does not match any Admin network"):
        wait_registered(client, ["52:54:00:f0:4d:00"], LONG_S)


def test_a_deleted_host_comes_back_under_another_id(
    server: FuelServer, client: FuelClient
) -> None:
    """Hosts are tracked by MAC: the id is gone for good."""
    task = client.delete_node(MODEL)
    assert task is not None
    wait_gone(client, MODEL, LONG_S)
    node = wait_registered(client, ["52:54:00:f0:15:00"], LONG_S, not_id=MODEL)
    assert node.id > MODEL
    assert node.cluster_id is None
    assert client.delete_node(MODEL) is None


def test_a_node_that_is_deleted_while_waited_for_ends_the_wait(
    server: FuelServer, client: FuelClient
) -> None:
    """Somebody else removed it: the wait says so instead of asking on."""
    server.control(f"/nodes/{MODEL}/reregister")
    with pytest.raises(FuelTaskFailed, match="comes back in bootstrap as another node"):
        wait_node(client, MODEL, lambda node: False, "it", LONG_S)


# ---- roles


def test_roles_are_assigned_and_may_be_again(server: FuelServer, client: FuelClient) -> None:
    """By /assignment/, which checks conflicts; a PUT of pending_roles is never sent."""
    node = server.assigned(client)
    client.assign(ENVIRONMENT, node.id, ["compute"])
    assert (
        node.cluster_id,
        node.pending_roles,
        node.pending_addition,
    ) == (ENVIRONMENT, ("compute",), True)
    assert not [call for call in server.calls() if call == f"PUT /api/nodes/{node.id}/"]


def test_conflicting_roles_are_refused(server: FuelServer, client: FuelClient) -> None:
    """Fuel's own sentence reaches the operator."""
    with pytest.raises(FuelRefused, match="in conflict with role"):
        client.assign(ENVIRONMENT, server.register(), ["controller", "compute"])


def test_a_node_of_another_state_is_not_assigned(client: FuelClient) -> None:
    """Refused before Fuel is asked."""
    with pytest.raises(Refused, match="not in bootstrap"):
        client.assign(ENVIRONMENT, MODEL, ["compute"])


def test_a_node_in_bootstrap_is_unassigned(server: FuelServer, client: FuelClient) -> None:
    """It is free again at once."""
    node = server.assigned(client)
    client.unassign(node.id)
    again = client.node(node.id)
    assert again is not None
    assert (None, frozenset(), False) == (
        again.cluster_id,
        again.all_roles,
        again.pending_deletion,
    )


def test_a_ready_node_is_not_unassigned(server: FuelServer, client: FuelClient) -> None:
    """Fuel would only mark it, and anyone's next deployment would wipe it."""
    with pytest.raises(Refused, match="only mark it for deletion"):
        client.unassign(MODEL)
    node = client.node(MODEL)
    assert node is not None
    assert not node.pending_deletion
    assert not [call for call in server.calls() if "unassignment" in call]


# ---- disks


def test_disks_are_read_after_the_assignment(server: FuelServer, client: FuelClient) -> None:
    """Before it they have no volumes and are larger."""
    node_id = server.register()
    before = client.disks(node_id)
    client.assign(ENVIRONMENT, node_id, ["compute"])
    after = client.disks(node_id)
    assert [disk.volumes for disk in before] == [()] * 2
    assert [b.size - a.size for b, a in zip(before, after, strict=True)] == [128] * 2
    assert [volume.name for volume in after[0].volumes] == ["os", "vm"]


def resized(disk: Disk, **sizes: int) -> Disk:
    """Return a disk with other volumes."""
    volumes = [v.model_copy(update={"size": sizes.get(v.name, v.size)}) for v in disk.volumes]
    return disk.model_copy(update={"volumes": tuple(volumes)})


def test_a_layout_is_set_and_read_back(server: FuelServer, client: FuelClient) -> None:
    """What Fuel keeps is what was asked for."""
    node = server.assigned(client)
    first, second = client.disks(node.id)
    wanted = resized(first, os=102400, vm=first.size - 102400)
    assert wanted == client.put_disks(node.id, [wanted, second])[0]


def test_a_layout_larger_than_the_disk_is_refused_though_fuel_takes_it(
    server: FuelServer, client: FuelClient
) -> None:
    """Fuel compares with the size in the request, which a model's disk brings along."""
    node = server.assigned(client)
    disk = client.disks(node.id)[0]
    larger = resized(disk, vm=2 * disk.size).model_copy(update={"size": 3 * disk.size})
    with pytest.raises(Refused, match="its volumes need"):
        client.put_disks(node.id, [larger])
    token = {"X-Auth-Token": next(iter(server.world.tokens))}
    url = f"{server.url}/api/nodes/{node.id}/disks/"
    answer = httpx.put(url, json=[larger.body()], headers=token, timeout=5)
    assert answer.status_code == 200


def test_a_disk_that_the_node_does_not_have_is_refused(
    server: FuelServer, client: FuelClient
) -> None:
    """Fuel would answer with a traceback."""
    node = server.assigned(client)
    foreign = client.disks(node.id)[0].model_copy(update={"id": "disk/by-path/other"})
    with pytest.raises(Refused, match="is not in the node"):
        client.put_disks(node.id, [foreign])


def test_a_layout_that_fuel_ignores_is_noticed(server: FuelServer, client: FuelClient) -> None:
    """It answers 200 and keeps what it had."""
    node = server.assigned(client)
    first, second = client.disks(node.id)
    server.fault("answer", pattern="PUT .*/disks/", status=200, body="[]")
    with pytest.raises(Unverified, match="Volume os of disk sda"):
        client.put_disks(node.id, [resized(first, os=60000, vm=1000), second])


# ---- ports


def cloned(source: list[Interface], target: list[Interface]) -> list[Interface]:
    """Return the ports of *target* with what those of *source* carry, and its bonds."""
    named = {port.name: port for port in source}
    ports = [
        port.model_copy(update={"networks": named[port.name].networks})
        for port in target
        if not port.is_bond
    ]
    return ports + [port for port in source if port.is_bond]


def test_ports_are_cloned_with_their_bond(server: FuelServer, client: FuelClient) -> None:
    """Networks by name, the bond without an id, its mode doubly nested."""
    node = server.assigned(client)
    model = client.interfaces(MODEL)
    kept = client.put_interfaces(node.id, cloned(model, client.interfaces(node.id)))
    bond = next(port for port in kept if port.is_bond)
    assert (
        bond.mode,
        [slave.name for slave in bond.slaves],
        [network.name for network in bond.networks],
    ) == ("active-backup", ["ens1f0", "ens1f1"], ["storage", "private"])


def test_a_network_left_out_is_refused_by_fuel(server: FuelServer, client: FuelClient) -> None:
    """Its sentence, sent as HTML, is parsed."""
    node = server.assigned(client)
    bare = [port.model_copy(update={"networks": ()}) for port in client.interfaces(node.id)]
    with pytest.raises(FuelRefused, match=r"network\(s\) are left unassigned"):
        client.put_interfaces(node.id, bare)


def test_ports_that_fuel_ignores_are_noticed(server: FuelServer, client: FuelClient) -> None:
    """A renamed port is matched by its id, and the new name silently dropped."""
    node = server.assigned(client)
    ports = client.interfaces(node.id)
    renamed = [ports[0], ports[1].model_copy(update={"name": "p9p9"}), *ports[2:]]
    with pytest.raises(Unverified, match="p9p9 is not there"):
        client.put_interfaces(node.id, renamed)


def test_a_node_at_work_keeps_its_ports(server: FuelServer, client: FuelClient) -> None:
    """Fuel refuses during a deployment."""
    node = server.assigned(client)
    server.control(f"/nodes/{node.id}", {"status": "deploying"})
    with pytest.raises(FuelRefused, match="can't be changed"):
        client.put_interfaces(node.id, client.interfaces(node.id))


def test_networks_of_a_group_have_their_own_ids(server: FuelServer, client: FuelClient) -> None:
    """The same names under other ids; the admin network is common to all."""
    default = client.node_groups(ENVIRONMENT)[0]
    token = {"X-Auth-Token": client.get("/version") and next(iter(server.world.tokens))}
    body = {"name": "rack2", "cluster_id": ENVIRONMENT}
    made = httpx.post(f"{server.url}/api/nodegroups/", json=body, headers=token, timeout=5)
    ours = client.network_ids(ENVIRONMENT, default.id)
    others = client.network_ids(ENVIRONMENT, made.json()["id"])
    assert set(ours) == set(others)
    assert [name for name, number in ours.items() if number == others[name]] == ["fuelweb_admin"]


# ---- jobs


def test_one_host_is_installed_and_no_other_is_touched(
    server: FuelServer, client: FuelClient
) -> None:
    """Selectively, and judged on task and node; progress is told."""
    node = server.assigned(client)
    seen: list[tuple[str, int | None]] = []
    task = client.provision(ENVIRONMENT, [node.id])
    ended = wait_task(client, task.id, LONG_S, lambda t: seen.append((t.status, t.progress)))
    assert provision_failure(ended, client.node(node.id)) is None
    assert len(seen) == len(set(seen)) > 1
    task = client.deploy(ENVIRONMENT, [node.id])
    ended = wait_task(client, task.id, LONG_S)
    assert deploy_failure(ended, client.node(node.id), ["compute"]) is None
    assert not [call for call in server.calls() if "changes" in call or "stop" in call]
    assert {"ready"} == {other.status for other in client.nodes(ENVIRONMENT)}


def test_without_nodes_nothing_is_started(server: FuelServer, client: FuelClient) -> None:
    """Fuel takes an empty list as all that are pending."""
    for start in (client.provision, client.deploy):
        with pytest.raises(ValueError, match="all that are pending"):
            start(ENVIRONMENT, [])
    assert not [call for call in server.calls() if call.startswith("PUT")]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"cluster": None}, "is not in environment 1"),
        ({"status": "discover"}, "would have to be"),
        ({"online": False}, "is offline"),
        ({"pending_deletion": True}, "marked for deletion"),
        ({"status": "error", "error_type": "provision"}, "provision it again"),
    ],
)
def test_deploying_is_checked_here_since_fuel_does_not(
    server: FuelServer, client: FuelClient, state: dict[str, object], words: str
) -> None:
    """A newer Fuel deploys anything, and skips what is offline as if it were done."""
    server.control(f"/nodes/{MODEL}", state)
    with pytest.raises(Refused, match=words):
        client.deploy(ENVIRONMENT, [MODEL])
    assert not client.tasks(ENVIRONMENT)


def test_an_unknown_node_starts_nothing(client: FuelClient) -> None:
    """The error is Fuel's own."""
    with pytest.raises(FuelRefused, match="Node not found"):
        client.provision(ENVIRONMENT, [999])


@pytest.mark.parametrize("action", ["provision", "deploy"])
def test_a_busy_environment_is_told_apart(
    server: FuelServer, client: FuelClient, action: str
) -> None:
    """400 for the one, 409 for the other: both mean to come again."""
    node = server.assigned(client)
    client.provision(ENVIRONMENT, [node.id])
    start = client.provision if action == "provision" else client.deploy
    with pytest.raises(FuelBusy, match="already"):
        start(ENVIRONMENT, [MODEL])
    with pytest.raises(FuelBusy, match="running tasks"):
        client.delete_node(MODEL)
    wait_idle(client, ENVIRONMENT, LONG_S)
    assert start(ENVIRONMENT, [MODEL]).id


def test_busy_as_plain_text_is_busy(server: FuelServer, client: FuelClient) -> None:
    """Neither JSON nor what the type of the answer says."""
    node = server.assigned(client)
    words = "Cannot perform the actions because there are another running tasks."
    server.fault("answer", pattern="PUT .*/provision/", status=400, body=words)
    with pytest.raises(FuelBusy, match="another running tasks"):
        client.provision(ENVIRONMENT, [node.id])


def test_a_failed_provision_is_told_by_task_and_node(
    server: FuelServer, client: FuelClient
) -> None:
    """With Fuel's words and the node's state; it can be provisioned again."""
    node = server.assigned(client)
    server.fault("provision_error", node=node.id)
    task = client.provision(ENVIRONMENT, [node.id])
    failure = provision_failure(wait_task(client, task.id, LONG_S), client.node(node.id))
    assert failure is not None
    assert "Provision has failed" in failure
    task = client.provision(ENVIRONMENT, [node.id])
    assert provision_failure(wait_task(client, task.id, LONG_S), client.node(node.id)) is None


def test_a_failed_deployment_can_be_repeated(server: FuelServer, client: FuelClient) -> None:
    """Its error_type stays in Fuel after the success: only the status counts."""
    server.fault("deploy_error", node=MODEL, message="Task[netconfig/4] failed")
    task = client.deploy(ENVIRONMENT, [MODEL])
    failure = deploy_failure(wait_task(client, task.id, LONG_S), client.node(MODEL), ["compute"])
    assert failure == "Task[netconfig/4] failed."
    task = client.deploy(ENVIRONMENT, [MODEL])
    ended, node = wait_task(client, task.id, LONG_S), client.node(MODEL)
    assert deploy_failure(ended, node, ["compute"]) is None
    assert node is not None
    assert node.error_type == "deploy"


def test_a_node_that_goes_offline_is_skipped_and_that_is_no_success(
    server: FuelServer, client: FuelClient
) -> None:
    """The task is ready, the node still provisioned."""
    node = server.assigned(client)
    task = client.provision(ENVIRONMENT, [node.id])
    wait_task(client, task.id, LONG_S)
    server.fault("offline", node=node.id)
    token = {"X-Auth-Token": next(iter(server.world.tokens))}
    url = f"{server.url}/api/clusters/{ENVIRONMENT}/deploy/?nodes={node.id}"
    task_id = httpx.put(url, headers=token, timeout=5).json()["id"]
    ended = wait_task(client, task_id, LONG_S)
    failure = deploy_failure(ended, client.node(node.id), ["compute"])
    assert ended.status == "ready"
    assert failure is not None
    assert "offline" in failure


def test_a_deployment_that_someone_stops_is_no_success(
    server: FuelServer, client: FuelClient
) -> None:
    """Its row vanishes, the transaction says ready: the node tells the truth."""
    with serving(speed=2) as slow, slow.client() as other:
        node = slow.assigned(other)
        task = other.provision(ENVIRONMENT, [node.id])
        token = {"X-Auth-Token": next(iter(slow.world.tokens))}
        url = f"{slow.url}/api/clusters/{ENVIRONMENT}/stop_deployment/"
        assert httpx.put(url, headers=token, timeout=5).status_code == 202
        ended = wait_task(other, task.id, LONG_S)
        failure = provision_failure(ended, other.node(node.id))
    assert ended.status == "ready"
    assert failure is not None
    assert "someone stopped it" in failure


def test_a_task_that_is_superseded_is_read_as_a_transaction(
    server: FuelServer, client: FuelClient
) -> None:
    """404 for the task is not the end of it."""
    task = client.deploy(ENVIRONMENT, [MODEL])
    wait_task(client, task.id, LONG_S)
    client.deploy(ENVIRONMENT, [MODEL])
    assert task.id not in {other.id for other in client.tasks(ENVIRONMENT)}
    assert client.task(task.id).status == "ready"


def test_a_task_whose_row_is_dropped_in_the_middle_is_followed(
    server: FuelServer, client: FuelClient
) -> None:
    """The wait goes on with the transaction, and ends for good without that."""
    task = client.deploy(ENVIRONMENT, [MODEL])
    server.control(f"/tasks/{task.id}/drop", {})
    assert wait_task(client, task.id, LONG_S).status == "ready"
    server.control(f"/tasks/{task.id}/drop", {"all": True})
    with pytest.raises(FuelRefused, match="404"):
        wait_task(client, task.id, LONG_S)


# ---- waits


def test_a_wait_ends_by_its_time_and_says_what_goes_on(
    server: FuelServer, client: FuelClient
) -> None:
    """The task is not stopped by that."""
    server.control("/clock", {"speed": 0.5})
    task = client.deploy(ENVIRONMENT, [MODEL])
    with pytest.raises(WaitFailed, match="and goes on"):
        wait_task(client, task.id, 0.5)
    assert [task.id] == [running.id for running in client.running(ENVIRONMENT)]


def test_a_wait_ends_when_told_to(server: FuelServer, client: FuelClient) -> None:
    """Cancelling a run is cooperative: the wait looks at the signal."""
    server.control("/clock", {"speed": 0.5})
    task = client.deploy(ENVIRONMENT, [MODEL])
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Interrupted):
        wait_task(client, task.id, LONG_S, stop=stop)


def test_a_master_that_is_away_is_waited_out(server: FuelServer, client: FuelClient) -> None:
    """A restart of Fuel during a deployment ends nothing."""
    task = client.deploy(ENVIRONMENT, [MODEL])
    for path in ("tasks", "transactions"):
        server.fault("answer", pattern=f"GET /api/{path}", status=503, times=4)
    assert wait_task(client, task.id, LONG_S).status == "ready"


def test_a_slow_answer_ends_by_the_time_out(server: FuelServer) -> None:
    """No call hangs."""
    with server.client(request_timeout_s=0.3, retries=1) as client:
        client.version()
        server.fault("answer", pattern="GET /api/nodes", delay_s=1, times=5)
        with pytest.raises(FuelUnreachable, match="no answer in time"):
            client.nodes()


def test_a_job_whose_answer_is_lost_is_found_again(server: FuelServer) -> None:
    """A second start would hit a host that is being installed."""
    with server.client(request_timeout_s=1) as client:
        node = server.assigned(client)
        server.fault("answer", pattern="PUT .*/provision/", delay_s=1.5)
        began = threading.Timer(0.1, _provision, [server, node.id])
        began.start()
        task = client.provision(ENVIRONMENT, [node.id])
        began.join()
    assert task.name == "provision"
    assert len([t for t in server.world.store.all("task") if t["name"] == "provision"]) == 1


def _provision(server: FuelServer, node_id: int) -> None:
    """Begin the job behind the client's back, as when its own answer was lost."""
    token = {"X-Auth-Token": next(iter(server.world.tokens))}
    url = f"{server.url}/api/clusters/{ENVIRONMENT}/provision/?nodes={node_id}"
    httpx.put(url, headers=token, timeout=5)


def test_polling_is_gentle_and_ends_soon_after_the_event(server: FuelServer) -> None:
    """The interval bounds how often Fuel is asked: here at most every half second."""
    with server.client(poll_interval_s=0.5) as client:
        server.control("/clock", {"speed": 8})
        task = client.deploy(ENVIRONMENT, [MODEL])
        before = client.calls
        wait_task(client, task.id, LONG_S)
        looks = client.calls - before
    # 23 s of deployment at eight times the speed.
    assert 5 <= looks <= 16
    assert client.calls_per_minute > 0


def test_the_last_words_about_a_node_are_its_newest_error(
    server: FuelServer, client: FuelClient
) -> None:
    """Of the notifications, since the node itself has no text."""
    server.fault("offline", node=MODEL)
    assert last_words(client, MODEL) == "Node 'target-cmp1' has gone away."
    assert last_words(client, 1) == "Fuel gives no reason."


# ---- environments and errors


def test_environments_are_found_by_name_or_id(server: FuelServer, client: FuelClient) -> None:
    """With the lock, which no one may overlook."""
    server.control(f"/clusters/{ENVIRONMENT}", {"is_locked": True})
    assert client.cluster("target") == client.cluster(ENVIRONMENT)
    assert client.cluster("1").is_locked
    with pytest.raises(Refused, match="Fuel has target"):
        client.cluster("prod")


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ('{"message": "No such luck", "errors": []}', "text/html", "No such luck"),
        ("Plain words", "text/html, text/plain", "Plain words"),
        ("Traceback (most recent call last):\n  File x\nKeyError: 'a'\n", "", "KeyError: 'a'"),
        ("<!DOCTYPE HTML><title>x</title>", "text/html", "a web page"),
        ("", "", "no reason given"),
    ],
)
def test_every_kind_of_error_is_worded(
    server: FuelServer, client: FuelClient, body: str, kind: str, words: str
) -> None:
    """JSON comes as HTML, text too: the type says nothing."""
    server.fault("answer", pattern="GET /api/nodes", status=400, body=body, content_type=kind)
    with pytest.raises(FuelRefused) as caught:
        client.nodes()
    assert words in caught.value.reason


def test_missing_rights_are_fuels_own_words(server: FuelServer, client: FuelClient) -> None:
    """403 is not repeated."""
    words = "You do not have the administrator rights"
    server.fault("answer", pattern="POST .*/assignment/", status=403, body=words)
    with pytest.raises(FuelRefused, match="administrator rights"):
        client.assign(ENVIRONMENT, server.register(), ["compute"])


def test_a_read_is_repeated_after_what_heals(server: FuelServer, client: FuelClient) -> None:
    """500 to a read may heal, and 502 to anything."""
    server.fault("answer", pattern="GET /api/nodes", status=500, body="Traceback")
    assert len(client.nodes()) == 6
    server.fault("answer", pattern="POST .*/assignment/", status=502)
    client.assign(ENVIRONMENT, server.register(), ["compute"])
