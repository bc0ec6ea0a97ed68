"""
Act at a cloud as somebody else, without knowing or changing a password.

An administrator may give any user an EC2 credential for any project; Keystone turns a request
that is signed with it into an ordinary token. The credential lives for the one call. See
docs/adr/0005-owner.md.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from keystoneauth1.access import AccessInfoV3
from keystoneauth1.identity.base import BaseIdentityPlugin
from keystoneauth1.session import Session
from openstack.connection import Connection

from pumphouse.blocks.cloud import OpenStackCloud
from pumphouse.errors import MissingRights, RequestFailed
from pumphouse.tasks import claims
from pumphouse.tasks.api import Api

ACCESS = "pumphouse-"
"""What the access keys of our credentials start with, then the time in seconds."""

LEFT_AFTER_S = 300
"""A credential that old was left by a killed run: one that works lives for a call."""

ROLE = "member"
RIGHTS_TAG = f"{claims.RIGHTS}={ROLE}"
"""
What begins the tag of a project where the administrator has a role for a time: ``role=who``.

Each process that needs the role has a tag of its own; the last of them takes the role back. As
with servers, milliseconds are left in which one takes back what another has just asked for.
"""

_needed: Counter[tuple[str, str]] = Counter()
"""By cloud and project: how many threads of this process need the role there."""

_ONE_BY_ONE = threading.Lock()


def signed(access: str, secret: str, timestamp: str) -> dict[str, Any]:
    """Return the body of POST /v3/ec2tokens, signed as AWS signature version 2 says."""
    params = {
        "AWSAccessKeyId": access,
        "SignatureMethod": "HmacSHA256",
        "SignatureVersion": "2",
        "Timestamp": timestamp,
    }
    query = "&".join(
        f"{quote(k, safe='')}={quote(v, safe='-_~')}" for k, v in sorted(params.items())
    )
    text = f"GET\nkeystone\n/\n{query}"
    digest = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return {
        "credentials": {
            "access": access,
            "host": "keystone",
            "verb": "GET",
            "path": "/",
            "params": params,
            "signature": base64.b64encode(digest).decode(),
        }
    }


def sign_in(admin: Api, user_id: str, project_id: str) -> tuple[str, dict[str, Any]]:
    """
    Return a token of *user_id* in *project_id*, and its description as Keystone gives it.

    Raises:
        RequestFailed, MissingRights: The user is disabled or has no role there, or Keystone
            gives us no such token. Nothing is left behind.
    """
    access = f"{ACCESS}{int(time.time())}-{secrets.token_hex(8)}"
    secret = secrets.token_hex(32)
    blob = json.dumps({"access": access, "secret": secret})
    credential = {"type": "ec2", "user_id": user_id, "project_id": project_id, "blob": blob}
    made = admin.call("POST", "identity", "/credentials", json={"credential": credential}).json()
    try:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        answer = admin.call("POST", "identity", "/ec2tokens", json=signed(access, secret, now))
        return answer.headers["X-Subject-Token"], answer.json()
    finally:
        admin.delete("identity", f"/credentials/{made['credential']['id']}")


class Owner(BaseIdentityPlugin):
    """keystoneauth's way in as a user in a project; a new token when one runs out."""

    def __init__(self, admin: Api, user_id: str, project_id: str) -> None:
        super().__init__()
        self._admin = admin
        self._ids = (user_id, project_id)
        self.auth_url = admin.adapter("identity").get_endpoint()

    def get_auth_ref(self, session: Session, **_: Any) -> AccessInfoV3:
        """Sign in anew."""
        token, body = sign_in(self._admin, *self._ids)
        return AccessInfoV3(auth_token=token, body=body)


@contextmanager
def owner(
    cloud: OpenStackCloud, admin: Api, user_id: str, project_id: str
) -> Iterator[tuple[Api, str]]:
    """
    Yield an `Api` that acts as *user_id* in *project_id*, and what is lost if it cannot be.

    When the user cannot act there (disabled, deleted, without a role, or Keystone refuses),
    the administrator has the role member on the project until the end of the block.
    """
    plugin = Owner(admin, user_id, project_id)
    session = Session(
        auth=plugin,
        verify=admin.connection.session.verify,
        cert=admin.connection.session.cert,
        timeout=cloud.request_timeout_s,
    )
    try:
        plugin.get_access(session)
    except (RequestFailed, MissingRights) as refused:
        with _as_admin(cloud, admin, project_id) as api:
            yield api, f"It is owned by the administrator, since its owner cannot act: {refused}"
        return
    connection = Connection(
        session=session, region_name=cloud.region or None, interface=cloud.interface
    )
    yield Api(cloud, admin.name, connection), ""


@contextmanager
def _as_admin(cloud: OpenStackCloud, admin: Api, project_id: str) -> Iterator[Api]:
    """Yield an `Api` of the administrator in *project_id*, whose role is taken back after it."""
    key = _key(admin, project_id)
    try:
        with _ONE_BY_ONE:
            _needed[key] += 1
            _give(admin, project_id)
        yield Api(cloud, admin.name, admin.connection.connect_as_project({"id": project_id}))
    finally:
        with _ONE_BY_ONE:
            _needed[key] -= 1
            _take_back(admin, project_id)


def _key(admin: Api, project_id: str) -> tuple[str, str]:
    return str(admin.adapter("identity").get_endpoint()), project_id


def _give(admin: Api, project_id: str) -> None:
    """Give us the role, and note who needs it; one that we have from others is not noted."""
    path = _role_path(admin, project_id)
    if _tags(admin, project_id) or not _has(admin, path):
        tag = f"{RIGHTS_TAG}={claims.own()}"
        admin.call("PUT", "identity", _tag_path(project_id, tag), retry=True)
        admin.call("PUT", "identity", path, retry=True)


def _take_back(admin: Api, project_id: str) -> str:
    """Take our role back if nobody needs it any more; return who does, as a sentence."""
    if _needed[_key(admin, project_id)]:
        return "This process needs it."
    tags = _tags(admin, project_id)
    notes = {tag: tag.removeprefix(RIGHTS_TAG).removeprefix("=") for tag in tags}
    who = {tag: claims.rival(note, claims.RIGHTS) for tag, note in notes.items()}
    gone = [tag for tag in tags if not who[tag]]
    paths = [_tag_path(project_id, tag) for tag in gone]
    if tags and gone == tags:
        # First: what is killed between the two is found by its tag.
        paths.insert(0, _role_path(admin, project_id))
    for path in paths:
        admin.delete("identity", path)
    return " ".join(filter(None, who.values()))


def _tags(admin: Api, project_id: str) -> list[str]:
    """Return our tags that the project has now."""
    every = admin.get("identity", f"/projects/{project_id}/tags")["tags"]
    return [tag for tag in every if tag.startswith(RIGHTS_TAG)]


def _has(admin: Api, path: str) -> bool:
    try:
        admin.call("HEAD", "identity", path, retry=True)
    except RequestFailed as failed:
        if failed.status != 404:
            raise
        return False
    return True


def _tag_path(project_id: str, tag: str) -> str:
    return f"/projects/{project_id}/tags/{quote(tag, safe='')}"


def _role_path(admin: Api, project_id: str) -> str:
    found = admin.list("identity", "/roles", "roles", params={"name": ROLE})
    if not found:
        raise MissingRights(admin.name, "a server in another project", f"a role named {ROLE}")
    me = admin.connection.current_user_id
    return f"/projects/{project_id}/users/{me}/roles/{found[0]['id']}"


def sweep(admin: Api, projects: Mapping[str, list[str]]) -> list[str]:
    """
    Take back what killed runs left: rights by project tag, and credentials. Return sentences.

    projects: Tags by id of every project at the target.
    """
    done: list[str] = []
    for project_id, tags in projects.items():
        if any(tag.startswith(RIGHTS_TAG) for tag in tags):
            with _ONE_BY_ONE:
                who = _take_back(admin, project_id)
            said = f"Left our role {ROLE} on project {project_id}: {who}"
            done.append(said if who else f"Took back our role {ROLE} on project {project_id}.")
    for credential in admin.list(
        "identity", "/credentials", "credentials", params={"type": "ec2"}
    ):
        access = str(json.loads(credential["blob"] or "{}").get("access", ""))
        age = _age_s(access)
        if age is not None and age > LEFT_AFTER_S:
            admin.delete("identity", f"/credentials/{credential['id']}")
            done.append(
                f"Deleted a credential that a killed run left for {credential['user_id']}."
            )
    return done


def _age_s(access: str) -> float | None:
    """Return how old our credential with that access key is; None for anybody else's."""
    if not access.startswith(ACCESS):
        return None
    made = access.removeprefix(ACCESS).partition("-")[0]
    return time.time() - int(made) if made.isdigit() else None
