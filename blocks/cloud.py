"""How to reach one OpenStack cloud, as a Prefect block."""

from pathlib import Path
from typing import Any

import openstack
from openstack.connection import Connection
from openstack.exceptions import ConfigException
from prefect.blocks.core import Block

from pumphouse import __version__
from pumphouse.config import CloudAccess
from pumphouse.errors import ConfigError


class OpenStackCloud(CloudAccess, Block):
    """
    An OpenStack cloud and the administrator's way into it.

    Tasks take this block, never a connection: a block has a name, survives a process
    boundary, and shows no secret.
    """

    _block_type_name = "OpenStack Cloud"
    _block_type_slug = "openstack-cloud"
    _description = "An OpenStack cloud that Pumphouse reads from or migrates to."

    def connect(self) -> Connection:
        """
        Open a connection. The only place where Pumphouse does.

        Nothing is asked of the cloud yet: the first call authenticates, and raises
        keystoneauth's errors when that fails.

        Raises:
            ConfigError: clouds.yaml does not say how to reach it.
        """
        loader = openstack.config.OpenStackConfig(
            config_files=[self.clouds_yaml] if self.clouds_yaml else None,
            app_name="pumphouse",
            app_version=__version__,
            load_envvars=False,
        )
        try:
            region = loader.get_one(**self._settings())
        except ConfigException as error:
            raise ConfigError(self.clouds_yaml or "clouds.yaml", [self._lacking(error)]) from None
        return Connection(config=region)

    def _lacking(self, error: ConfigException) -> str:
        """Say what clouds.yaml lacks, and where it was looked for."""
        if self.clouds_yaml and not Path(self.clouds_yaml).is_file():
            return "There is no such file; give its path in clouds_yaml."
        places = "this folder, ~/.config/openstack and /etc/openstack"
        where = "" if self.clouds_yaml else f" It was looked for in {places}."
        return f"{str(error).rstrip('.')}.{where} Name one of its entries in entry."

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "cloud": self.entry or None,
            "interface": self.interface,
            "api_timeout": self.request_timeout_s,
            "verify": self.verify_tls,
        }
        if self.region:
            settings["region_name"] = self.region
        if self.ca_file:
            settings["cacert"] = self.ca_file
        if not self.entry:
            settings["auth_type"], settings["auth"] = self._auth()
        return settings

    def _auth(self) -> tuple[str, dict[str, Any]]:
        auth: dict[str, Any] = {"auth_url": self.auth_url}
        if self.application_credential_id and self.application_credential_secret:
            secret = self.application_credential_secret.get_secret_value()
            auth["application_credential_id"] = self.application_credential_id
            auth["application_credential_secret"] = secret
            return "v3applicationcredential", auth
        auth["username"] = self.username
        auth["password"] = self.password.get_secret_value()
        auth["project_name"] = self.project_name
        auth["user_domain_name"] = self.user_domain_name
        auth["project_domain_name"] = self.project_domain_name
        return "password", auth
