"""A small client of the lab's own APIs with nothing but the standard library.

Starting the lab must work on a machine that has only Python; who works with the clouds
takes openstacksdk.
"""

import json
import urllib.error
import urllib.request
from functools import cached_property
from typing import Any

from lab.errors import LabError
from lab.layout import PASSWORD, Cloud

PREFIXES = {
    "keystone": "/v3",
    "placement": "",
    "glance": "/v2",
    "nova": "/v2.1",
    "neutron": "/v2.0",
    "cinder": "/v3",
}


class Api:
    """Calls as the admin of one cloud, in the project admin."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @cached_property
    def _login(self) -> tuple[str, dict[str, Any]]:
        domain = {"id": "default"}
        user = {"name": "admin", "domain": domain, "password": PASSWORD}
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": "admin", "domain": domain}},
            }
        }
        request = self._request("POST", "keystone", "/auth/tokens", body)
        with self._open(request) as response:
            return response.headers["X-Subject-Token"], json.load(response)["token"]

    @property
    def project_id(self) -> str:
        """Return the id of the project admin."""
        return str(self._login[1]["project"]["id"])

    def get(self, service: str, path: str, **headers: str) -> Any:
        """Return the JSON answer of a GET."""
        return self.call("GET", service, path, None, **headers)

    def post(self, service: str, path: str, body: object, **headers: str) -> Any:
        """Return the JSON answer of a POST."""
        return self.call("POST", service, path, body, **headers)

    def call(self, method: str, service: str, path: str, body: object, **headers: str) -> Any:
        """Return the JSON answer of any call; nothing when the body is empty."""
        request = self._request(method, service, path, body, **headers)
        request.add_header("X-Auth-Token", self._login[0])
        with self._open(request) as response:
            text = response.read()
        return json.loads(text) if text else None

    def upload_image(self, image_id: str, data: bytes) -> None:
        """Send the bytes of an image."""
        url = self._cloud.url("glance", f"/v2/images/{image_id}/file")
        request = urllib.request.Request(url, data, method="PUT")
        request.add_header("Content-Type", "application/octet-stream")
        request.add_header("X-Auth-Token", self._login[0])
        self._open(request).close()

    def _request(
        self, method: str, service: str, path: str, body: object, **headers: str
    ) -> urllib.request.Request:
        url = self._cloud.url(service, PREFIXES[service] + path)
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, method=method)
        request.add_header("Content-Type", "application/json")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        return request

    def _open(self, request: urllib.request.Request) -> Any:
        try:
            return urllib.request.urlopen(request, timeout=120)
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")[:300]
            raise LabError(
                f"cloud {self._cloud.name} answered {request.method} {request.full_url} "
                f"with {error.code}: {text}"
            ) from None
        except OSError as error:
            raise LabError(
                f"cloud {self._cloud.name} gave no answer to {request.full_url}: {error}"
            ) from None
