"""How to reach a Fuel master."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator


def _web_address(value: str) -> str:
    if value and not value.startswith(("http://", "https://")):
        raise ValueError("it must begin with http:// or https://")
    return value.rstrip("/")


_WebAddress = Annotated[str, AfterValidator(_web_address)]


class FuelAccess(BaseModel):
    """How to reach one Fuel master and the administrator's way into it."""

    url: _WebAddress = Field(
        default="",
        title="Fuel URL",
        description="Of the master, for example https://fuel.example:8443 or "
        "http://10.20.0.2:8000. Empty means that there is no Fuel.",
    )
    auth_url: _WebAddress = Field(
        default="",
        title="Keystone URL",
        description="Of Fuel's own Keystone. Empty means /keystone below the Fuel URL, where "
        "the master's web server shows it. May end with /v2.0 or /v3; otherwise both are tried.",
    )
    username: str = Field(
        default="admin", title="User", description="An administrator of Fuel; empty: no login."
    )
    password: SecretStr = Field(
        default=SecretStr(""), title="Password", description="Of that user. Stored encrypted."
    )
    tenant: str = Field(
        default="admin", title="Tenant", description="The administrator's project in Keystone."
    )
    ca_file: str = Field(
        default="",
        title="CA file",
        description="PEM file on the worker with the authority that signed the master.",
    )
    verify_tls: bool = Field(
        default=True, title="Verify TLS", description="Switch off only for a laboratory."
    )
    request_timeout_s: float = Field(
        default=60,
        gt=0,
        title="Request time-out (s)",
        description="Longest silence of Fuel before a call fails.",
    )
    retries: int = Field(
        default=4,
        ge=0,
        le=20,
        title="Retries",
        description="How often a read is repeated after a connection error, 429 or 5xx.",
    )
    poll_interval_s: float = Field(
        default=2,
        gt=0,
        title="Poll interval (s)",
        description="Longest pause between two looks at a node or task. Shorter ends waits "
        "sooner and asks Fuel more often.",
    )

    @model_validator(mode="after")
    def _enough(self) -> "FuelAccess":
        if self.url and self.username and not self.password.get_secret_value():
            raise ValueError("with url and username, give password")
        return self

    @property
    def keystone_url(self) -> str:
        """Return the URL of Keystone: the one given, or /keystone on the master."""
        if self.auth_url:
            return self.auth_url
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/keystone"
