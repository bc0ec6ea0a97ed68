"""The environment variables that the services of a cloud run with."""

import os
from pathlib import Path

from lab.layout import Cloud

HERE = Path(__file__).parent


def cloud_environment(cloud: Cloud) -> dict[str, str]:
    """Return the environment of every program of a cloud."""
    etc = cloud.etc
    return {
        **os.environ,
        # bin/ holds stubs: the NFS driver only checks that mount.nfs exists, and there is
        # no sudo on a small machine.
        "PATH": f"{cloud.venv}/bin:{HERE}/bin:{os.environ['PATH']}",
        "PYTHONPATH": str(HERE / "drivers"),
        "PYTHONWARNINGS": "ignore",
        "HOME": str(cloud.home),
        "OS_KEYSTONE_CONFIG_DIR": f"{etc}/keystone",
        "OS_KEYSTONE_CONFIG_FILES": "keystone.conf",
        "OS_PLACEMENT_CONFIG_DIR": f"{etc}/placement",
        "OS_GLANCE_CONFIG_DIR": f"{etc}/glance",
        # Nova under WSGI finds its paste file by name in this list.
        "OS_NOVA_CONFIG_DIR": f"{etc}/nova",
        "OS_NOVA_CONFIG_FILES": "api-paste.ini;nova.conf",
        "OS_NEUTRON_CONFIG_DIR": f"{etc}/neutron",
        "OS_NEUTRON_CONFIG_FILES": "neutron.conf;ml2_conf.ini",
        # Loopback needs no resolver, which eventlet would wait for.
        "EVENTLET_NO_GREENDNS": "yes",
    }
