"""Keystone and Placement."""

from lab.configs.common import credentials, policy
from lab.files import write_ini
from lab.layout import Cloud, Lab


def write_keystone(lab: Lab, cloud: Cloud) -> None:
    """Write keystone.conf."""
    state = cloud.home / "keystone"
    for repository in ("fernet", "credential"):
        (state / repository).mkdir(parents=True, exist_ok=True, mode=0o700)
    write_ini(
        cloud.etc / "keystone" / "keystone.conf",
        {
            "DEFAULT": {"use_stderr": True, "max_token_size": 255},
            "database": {"connection": lab.database_url(cloud.database("keystone"))},
            "token": {"provider": "fernet", "expiration": 86400},
            "fernet_tokens": {"key_repository": state / "fernet"},
            "fernet_receipts": {"key_repository": state / "fernet"},
            "credential": {"key_repository": state / "credential"},
            # One process, so a cache in its memory is coherent. It must hold copies:
            # Keystone changes what it got (decrypted EC2 credentials then fail with 500).
            "cache": {"enabled": True, "backend": "dogpile.cache.memory_pickle"},
            # bcrypt's usual 12 rounds are 0.25 s of CPU for each login.
            "identity": {"password_hash_rounds": 4},
            "oslo_policy": policy(cloud),
        },
    )


def write_placement(lab: Lab, cloud: Cloud) -> None:
    """Write placement.conf."""
    write_ini(
        cloud.etc / "placement" / "placement.conf",
        {
            "DEFAULT": {"use_stderr": True},
            "api": {"auth_strategy": "keystone"},
            "placement_database": {
                "connection": lab.database_url(cloud.database("placement")),
            },
            "keystone_authtoken": credentials(cloud, "placement"),
        },
    )
