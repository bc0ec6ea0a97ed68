"""What the lab tells its users: clouds.yaml and a file of facts for a configuration."""

import json

from lab.files import write
from lab.layout import PASSWORD, REGION, SERVICE_PORTS, Cloud, Lab
from lab.nailgun.starting import access


def write_facts(lab: Lab) -> None:
    """Write clouds.yaml and facts.json below the lab's directory."""
    write(lab.clouds_file, clouds_yaml(lab), mode=0o600)
    write(lab.root / "facts.json", json.dumps(facts(lab), indent=2) + "\n", mode=0o600)


def clouds_yaml(lab: Lab) -> str:
    """Return clouds.yaml: each cloud as the admin of a project and as the system's."""
    lines = ["clouds:"]
    for cloud in lab.clouds:
        project = ["project_name: admin", "project_domain_id: default"]
        lines += _entry(cloud, cloud.name, project)
        lines += _entry(cloud, f"{cloud.name}-system", ["system_scope: all"])
    return "\n".join(lines) + "\n"


def facts(lab: Lab) -> dict[str, object]:
    """Return what a configuration of Pumphouse needs to know of the lab."""
    return {
        "clouds_file": str(lab.clouds_file),
        "fuel": access(lab),
        "clouds": {
            cloud.name: {
                "cloud": cloud.name,
                "release": cloud.release.name,
                "auth_url": cloud.url("keystone", "/v3"),
                "username": "admin",
                "password": PASSWORD,
                "project_name": "admin",
                "user_domain_id": "default",
                "project_domain_id": "default",
                "region_name": REGION,
                "endpoints": {name: cloud.url(name) for name in SERVICE_PORTS},
                "hosts": list(cloud.hosts),
            }
            for cloud in lab.clouds
        },
    }


def _entry(cloud: Cloud, name: str, scope: list[str]) -> list[str]:
    return [
        f"  {name}:",
        f"    region_name: {REGION}",
        "    identity_api_version: 3",
        "    auth:",
        f"      auth_url: {cloud.url('keystone', '/v3')}",
        "      username: admin",
        f"      password: {PASSWORD}",
        "      user_domain_id: default",
        *[f"      {line}" for line in scope],
    ]
