"""The cluster: made once and kept as a copy, started, waited for."""

import hashlib
import json
import os
import shutil
import uuid
from pathlib import Path

from lab.ceph.configuration import write_conf
from lab.ceph.layout import POOLS, SHARED_POOL, Ceph, own_pool
from lab.commands import run
from lab.errors import LabError
from lab.files import mark, write
from lab.layout import CLOUD_NAMES
from lab.output import say
from lab.processes import Processes
from lab.snapshots import copy
from lab.waiting import START_S, wait_until

MONITOR, MANAGER, OSD = "ceph-mon", "ceph-mgr", "ceph-osd"
DAEMONS = (MANAGER, OSD, MONITOR)
"""In the order in which they stop."""

HERE = Path(__file__).parent
DIRECTORIES = ("log", "crash", "mon", "mgr", "osd0", "nomodules", "keys")
# Not kept in the copy: it is of one run.
FLEETING = ("log", "crash")


def start_cluster(ceph: Ceph, processes: Processes) -> None:
    """Start the cluster from whatever there is of it, and wait until it serves."""
    if not ceph.done.exists() and not _restore(ceph):
        processes.stop(DAEMONS)
        shutil.rmtree(ceph.home, ignore_errors=True)
        _make(ceph, processes)
    for name in FLEETING:
        (ceph.home / name).mkdir(exist_ok=True)
    for name in (MONITOR, OSD, MANAGER):
        _start(ceph, processes, name)
    _wait(ceph, processes)


def commands(ceph: Ceph) -> dict[str, list[str]]:
    """Return the command of each daemon, by the name of its process."""
    ids = {MONITOR: "a", MANAGER: "x", OSD: "0"}
    return {
        name: [name, "-i", identity, "-c", str(ceph.conf), "-f"] for name, identity in ids.items()
    }


def environment() -> dict[str, str]:
    """Return the environment of the daemons: TCMalloc keeps less of what they freed."""
    return {**os.environ, "TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES": str(32 << 20)}


def ask(ceph: Ceph, *words: str) -> str:
    """Return what the cluster answers to a command of its administrator."""
    return run(["ceph", "-c", ceph.conf, "--connect-timeout", "30", *words], quiet=True)


def copy_path(ceph: Ceph) -> Path:
    """Return where the copy of this cluster, as it is coded now, lies or would lie."""
    digest = hashlib.sha256(repr((ceph.home, ceph.lab.port_offset)).encode())
    for path in sorted(HERE.glob("*.py")):
        digest.update(path.read_bytes())
    return ceph.lab.root / "snapshots" / f"ceph-{digest.hexdigest()[:16]}"


def _start(ceph: Ceph, processes: Processes, name: str) -> None:
    processes.start(name, commands(ceph)[name], environment())


def _restore(ceph: Ceph) -> bool:
    kept = copy_path(ceph)
    if not kept.exists():
        return False
    shutil.rmtree(ceph.home, ignore_errors=True)
    copy(sorted(kept.iterdir()), ceph.home)
    say("ceph: restored the prepared cluster")
    return True


def _save(ceph: Ceph) -> None:
    kept = copy_path(ceph)
    for old in kept.parent.glob("ceph-*"):
        shutil.rmtree(old)
    part = kept.with_name(f".{kept.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    copy([item for item in ceph.home.iterdir() if _is_kept(item)], part)
    part.rename(kept)


def _is_kept(item: Path) -> bool:
    return item.name not in FLEETING and item.suffix != ".asok"


def _make(ceph: Ceph, processes: Processes) -> None:
    """Make a cluster with pools and keys, stop it, and keep a copy for the next time."""
    for name in DIRECTORIES:
        (ceph.home / name).mkdir(parents=True, exist_ok=True)
    fsid = str(uuid.uuid4())
    write_conf(ceph, fsid)
    _make_monitor(ceph, fsid)
    _start(ceph, processes, MONITOR)
    key = ask(
        *(ceph, "auth", "get-or-create", "mgr.x"),
        *("mon", "allow profile mgr", "osd", "allow *", "mds", "allow *"),
    )
    write(ceph.home / "mgr" / "keyring", key, mode=0o600)
    _start(ceph, processes, MANAGER)
    identity = str(uuid.uuid4())
    ask(ceph, "osd", "new", identity)
    key = ask(
        *(ceph, "auth", "get-or-create", "osd.0"),
        *("mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *"),
    )
    write(ceph.home / "osd0" / "keyring", key, mode=0o600)
    run(["ceph-osd", "-c", ceph.conf, "-i", "0", "--mkfs", "--osd-uuid", identity], quiet=True)
    _start(ceph, processes, OSD)
    _wait(ceph, processes)
    for pool in POOLS:
        ask(ceph, "osd", "pool", "create", pool, "8")
        ask(ceph, "osd", "pool", "application", "enable", pool, "rbd")
    for cloud in CLOUD_NAMES:
        _make_key(ceph, cloud)
    processes.stop(DAEMONS, wait_s=30)
    mark(ceph.done)
    _save(ceph)
    say("ceph: made a cluster and kept a copy for the next start")


def _make_monitor(ceph: Ceph, fsid: str) -> None:
    admin, own = ceph.keyring("admin"), ceph.home / "mon.keyring"
    every = [word for kind in ("mon", "osd", "mgr") for word in ("--cap", kind, "allow *")]
    create = ["ceph-authtool", "--gen-key", "--create-keyring"]
    _quietly([*create, admin, "-n", "client.admin", *every])
    _quietly([*create, own, "-n", "mon.", "--cap", "mon", "allow *"])
    _quietly(["ceph-authtool", own, "--import-keyring", admin])
    monitors = ceph.home / "monmap"
    address = f"[v2:127.0.0.1:{ceph.monitor_port}]"
    _quietly(["monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, monitors])
    made = ["ceph-mon", "-c", ceph.conf, "--mkfs", "-i", "a"]
    _quietly([*made, "--monmap", monitors, "--keyring", own])


def _quietly(argv: list[str | Path]) -> None:
    run(argv, quiet=True)


def _make_key(ceph: Ceph, cloud: str) -> None:
    """Make the key of a cloud: for its own pool and for the shared one."""
    user = ceph.user(cloud)
    pools = ", ".join(f"profile rbd pool={pool}" for pool in (own_pool(cloud), SHARED_POOL))
    caps = ("mon", "profile rbd", "osd", pools, "mgr", pools)
    key = ask(ceph, "auth", "get-or-create", f"client.{user}", *caps)
    write(ceph.keyring(user), key, mode=0o600)


def _wait(ceph: Ceph, processes: Processes) -> None:
    """Wait until OSD and placement groups are up; a restarted monitor tells what was before."""
    wait_until(
        lambda: _osd_is_active(ceph) and _is_serving(ceph),
        lambda: f"ceph does not serve; see {processes.log(OSD)} and {ceph.home / 'log'}",
        START_S,
    )


def _osd_is_active(ceph: Ceph) -> bool:
    socket = ceph.home / "osd.0.asok"
    try:
        told = json.loads(run(["ceph", "--admin-daemon", socket, "status"], quiet=True))
    except (LabError, ValueError):
        return False
    return bool(told.get("state") == "active")


def _is_serving(ceph: Ceph) -> bool:
    told = json.loads(ask(ceph, "status", "--format", "json"))
    states = {s["state_name"]: s["count"] for s in told["pgmap"]["pgs_by_state"]}
    active = sum(count for name, count in states.items() if name.startswith("active+clean"))
    return bool(
        told["osdmap"]["num_up_osds"] == 1
        and told["mgrmap"]["available"]
        and active == told["pgmap"]["num_pgs"]
    )
