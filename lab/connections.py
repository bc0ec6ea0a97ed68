"""Logging in to the lab's clouds with openstacksdk."""

import openstack
from openstack.connection import Connection

from lab.layout import PASSWORD, REGION, Cloud


def connect(
    cloud: Cloud, username: str = "admin", project: str = "admin", domain_id: str = "default"
) -> Connection:
    """Return a connection to a cloud as a user of a project; all passwords are the same."""
    return openstack.connect(
        load_envvars=False,
        load_yaml_config=False,
        auth={
            "auth_url": cloud.url("keystone", "/v3"),
            "username": username,
            "password": PASSWORD,
            "project_name": project,
            "user_domain_id": domain_id,
            "project_domain_id": domain_id,
        },
        region_name=REGION,
        identity_api_version="3",
        # The old release's server may close an idle connection that is just being used.
        connect_retries=3,
        # Once in a long while its Nova waits for ever for an answer of Glance that it lost.
        api_timeout=180,
    )
