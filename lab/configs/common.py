"""Sections that all services share."""

import shutil

from lab.layout import PASSWORD, REGION, Cloud, Lab

Sections = dict[str, dict[str, object]]


def credentials(cloud: Cloud, user: str) -> dict[str, object]:
    """Return the options with which a service logs in as one of the service users."""
    return {
        "auth_type": "password",
        "auth_url": cloud.url("keystone", "/v3"),
        "username": user,
        "password": PASSWORD,
        "project_name": "service",
        "project_domain_id": "default",
        "user_domain_id": "default",
        "region_name": REGION,
    }


def policy(cloud: Cloud) -> dict[str, object]:
    """Return the policy options: today's secure defaults or the rules of before."""
    strict = cloud.release.secure_rbac
    return {"enforce_scope": strict, "enforce_new_defaults": strict}


def service_sections(lab: Lab, cloud: Cloud, service: str) -> Sections:
    """Return the sections of a service with a database, RPC and token validation."""
    state = cloud.home / service
    (state / "locks").mkdir(parents=True, exist_ok=True)
    return {
        "DEFAULT": {
            "transport_url": lab.broker_url(cloud),
            "state_path": state,
            "use_stderr": True,
            "rpc_response_timeout": 180,
        },
        "database": {
            "connection": lab.database_url(cloud.database(service)),
            "max_pool_size": 10,
            "max_overflow": 30,
        },
        "keystone_authtoken": {
            **credentials(cloud, service),
            "www_authenticate_uri": cloud.url("keystone", "/v3"),
            "interface": "internal",
            "service_token_roles": "service",
            "service_token_roles_required": True,
            "token_cache_time": 300,
        },
        "oslo_concurrency": {"lock_path": state / "locks"},
        "oslo_messaging_notifications": {"driver": "noop"},
        "oslo_policy": policy(cloud),
    }


def copy_paste_file(cloud: Cloud, service: str, name: str = "api-paste.ini") -> None:
    """Copy the WSGI pipeline that came with the package."""
    target = cloud.etc / service
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(cloud.venv / "etc" / service / name, target / name)
