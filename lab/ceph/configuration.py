"""ceph.conf of one monitor, one manager and one OSD, small and on loopback only."""

from lab.ceph.layout import Ceph
from lab.files import write_ini

STORE_BYTES = 200 << 30
"""Of the OSD's file, which is sparse: a volume of 100 GB has room to be promised."""


def write_conf(ceph: Ceph, fsid: str) -> None:
    """Write ceph.conf."""
    sections = {
        "global": _everybody(ceph, fsid),
        "mon": _monitor(ceph),
        "mgr": _manager(ceph),
        "osd": _osd(ceph),
        "client": {
            "keyring": f"{ceph.home}/keys/$name.keyring",
            "rbd default features": 61,
            # librados waits for ever by default.
            "rados osd op timeout": 120,
            "rados mon op timeout": 60,
        },
    }
    write_ini(ceph.conf, sections)


def _everybody(ceph: Ceph, fsid: str) -> dict[str, object]:
    first, last = ceph.other_ports
    return {
        "fsid": fsid,
        "mon initial members": "a",
        "mon host": f"[v2:127.0.0.1:{ceph.monitor_port}]",
        "auth cluster required": "cephx",
        "auth service required": "cephx",
        "auth client required": "cephx",
        "public addr": "127.0.0.1",
        "cluster addr": "127.0.0.1",
        "ms bind msgr1": False,
        "ms bind port min": first,
        "ms bind port max": last,
        "ms async op threads": 1,
        "run dir": ceph.home,
        "crash dir": ceph.home / "crash",
        "osd pool default size": 1,
        "osd pool default min size": 1,
        "osd pool default pg num": 8,
        "osd pool default pgp num": 8,
        "osd pool default pg autoscale mode": "off",
        "osd crush chooseleaf type": 0,
        "mon allow pool size one": True,
        "mon warn on pool no redundancy": False,
        "debug default": "0/0",
        "log to stderr": False,
        "err to stderr": True,
    }


def _daemon(ceph: Ceph) -> dict[str, object]:
    return {
        "log file": ceph.home / "log" / "$type.$id.log",
        "admin socket": ceph.home / "$type.$id.asok",
    }


def _monitor(ceph: Ceph) -> dict[str, object]:
    return {
        **_daemon(ceph),
        "mon data": ceph.home / "mon",
        "mon cluster log file": ceph.home / "log" / "cluster.log",
        # The lab shares its disk with everything else of the machine.
        "mon data avail warn": 1,
        "mon data avail crit": 0,
        # With the default of one second, making the cluster takes ten seconds longer.
        "paxos propose interval": 0.05,
        "paxos min wait": 0.01,
        "mon tick interval": 1,
        "mon mgr digest period": 1,
        "mon memory autotune": False,
        "mon osd cache size": 50,
        "rocksdb cache size": 16 << 20,
        "auth allow insecure global id reclaim": False,
    }


def _manager(ceph: Ceph) -> dict[str, object]:
    return {
        **_daemon(ceph),
        "mgr data": ceph.home / "mgr",
        # An empty directory: statistics come from the manager itself, and no module of Python
        # is loaded. Health therefore never is OK.
        "mgr module path": ceph.home / "nomodules",
        "mgr stats period": 1,
        "mgr tick period": 1,
    }


def _osd(ceph: Ceph) -> dict[str, object]:
    return {
        **_daemon(ceph),
        "osd data": ceph.home / "osd0",
        "osd objectstore": "bluestore",
        "bluestore block create": True,
        "bluestore block size": STORE_BYTES,
        "bluestore cache autotune": False,
        "bluestore cache size": 64 << 20,
        # The smallest that it takes.
        "osd memory target": 896 << 20,
        "osd op num shards": 1,
        "osd op num threads per shard": 2,
        "osd max pg log entries": 100,
        "osd min pg log entries": 50,
        "osd mclock skip benchmark": True,
        "osd class update on start": False,
        "osd max scrubs": 0,
        "osd heartbeat interval": 2,
        "osd mon report interval": 2,
    }
