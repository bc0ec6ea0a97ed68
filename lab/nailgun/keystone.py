"""Fuel's own Keystone, as its tests have it: tokens that say they expired years ago."""

import random
from typing import Any

from starlette.responses import Response

from lab.nailgun.answers import HTML_TYPE, JSON_TYPE, ok, raw
from lab.nailgun.world import Call, World

_NOTHING = '{"message": "", "errors": []}'
_DOMAIN = {"id": "123", "name": "fuel"}


def answer(world: World, method: str, path: str, call: Call) -> Response | None:
    """Return the answer to a path below /keystone, or nothing when it has none."""
    if method == "POST" and path == "/v2.0/tokens":
        return _tokens_v2(world, call.body)
    if method == "POST" and path == "/v3/auth/tokens":
        return _tokens_v3(world, call.body)
    if method == "GET" and path in ("/v2.0", "/v3"):
        return ok({"version": _version(path[1:])})
    return None


def _tokens_v2(world: World, body: Any) -> Response:
    try:
        given = body["auth"]["passwordCredentials"]
        name, password = given["username"], given["password"]
    except (KeyError, TypeError):
        return raw(_NOTHING, 400, HTML_TYPE)
    token = _token(world, name, password)
    if not token:
        return raw(_NOTHING, 401, HTML_TYPE)
    times = {"issued_at": "2012-07-10T13:37:58.708765", "expires": "2012-07-10T14:37:58Z"}
    tenant = {"enabled": True, "description": None, "name": "admin", "id": "12345"}
    roles = {"roles_links": [], "roles": [{"name": "admin"}]}
    user = {"username": name, "id": "9876", "name": name, **roles}
    access = {
        "token": {**times, "id": token, "tenant": tenant},
        "serviceCatalog": [],
        "user": user,
        "metadata": {"is_admin": 0, "roles": ["4567"]},
    }
    return ok({"access": access})


def _tokens_v3(world: World, body: Any) -> Response:
    try:
        user = body["auth"]["identity"]["password"]["user"]
        name, password = user["name"], user["password"]
    except (KeyError, TypeError):
        return raw(_NOTHING, 400, HTML_TYPE)
    token = _token(world, name, password)
    if not token:
        return raw(_NOTHING, 401, HTML_TYPE)
    body = {
        "project": {"domain": _DOMAIN, "id": "456", "name": "admin"},
        "catalog": [],
        "methods": ["password"],
        "roles": [{"name": "admin"}],
        "audit_ids": ["CZGk7nPaRF-PzmokqvKcDQ"],
        "issued_at": "2016-09-29T13:06:37.620739Z",
        "expires_at": "2016-09-29T19:06:37.620687Z",
        "user": {"domain": _DOMAIN, "id": "789", "name": name},
    }
    answer = ok({"token": body})
    answer.headers["X-Subject-Token"] = token
    answer.headers["Content-Type"] = JSON_TYPE
    return answer


def _token(world: World, name: str, password: str) -> str:
    if (name, password) != (world.options.username, world.options.password):
        return ""
    token = f"token{random.randrange(10**9, 10**10)}"
    world.tokens.add(token)
    return token


def _version(name: str) -> dict[str, Any]:
    old = name == "v2.0"
    kinds = ("json", "xml") if old else ("json",)
    identity = "identity-v2.0" if old else "identity-v3"
    links = [{"href": f"http://127.0.0.1:8001/keystone/{name}/", "rel": "self"}]
    if old:
        page = {"href": "http://docs.openstack.org/", "type": "text/html", "rel": "describedby"}
        links.append(page)
    return {
        "status": "stable",
        "updated": "2014-04-17T00:00:00Z" if old else "2016-04-04T00:00:00Z",
        "media-types": [
            {
                "base": f"application/{kind}",
                "type": f"application/vnd.openstack.{identity}+{kind}",
            }
            for kind in kinds
        ],
        "id": "v2.0" if old else "v3.6",
        "links": links,
    }
