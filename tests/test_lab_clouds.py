"""What the lab promises of its two running clouds."""

from collections.abc import Callable

import pytest
from openstack.connection import Connection

from lab.layout import EXTERNAL_NETWORK, VOLUME_TYPE, Lab
from lab.probes import probe_cloud
from tests.lab_tenants import Tenant

pytest_plugins = ("tests.lab",)
pytestmark = pytest.mark.lab


@pytest.mark.parametrize("name", ["source", "target"])
def test_a_probe_server_boots(lab: Lab, name: str) -> None:
    """A server with an image, a flavor and a port becomes ACTIVE."""
    assert probe_cloud(lab.cloud(name)) > 0


def test_both_clouds_have_the_same_furniture(source: Connection, target: Connection) -> None:
    """The default volume type and the external network have the same names."""
    for cloud in (source, target):
        assert cloud.block_storage.find_type(VOLUME_TYPE)
        assert cloud.network.find_network(EXTERNAL_NETWORK).is_router_external


def test_a_tenant_boots_a_server_of_its_own(tenant: Tenant) -> None:
    """The member of a tenant's project can do all that a server needs."""
    server = tenant.create_server(
        tenant.create_image(), tenant.create_flavor(is_public=False), tenant.create_network()
    )
    assert server.status == "ACTIVE"
    assert tenant.project_id == server.project_id


def test_tenants_do_not_see_each_other(make_tenant: Callable[[], Tenant]) -> None:
    """Two tenants of one test have networks of the same range and no common one."""
    first, second = make_tenant(), make_tenant()
    network = first.create_network()
    second.create_network()
    assert not second.connection.network.find_network(network.id)
