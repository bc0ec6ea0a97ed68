"""The web application: routing as Nailgun does it, authentication, faults."""

import asyncio
import contextlib
import inspect
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount

from lab.nailgun import (
    actions,
    control,
    environments,
    jobs,
    keystone,
    layouts,
    networks,
    nodes,
    ports,
    tasks,
)
from lab.nailgun.answers import HTML_TYPE, Failure, ok, raw
from lab.nailgun.world import Call, World

Handler = Callable[..., Any]
N = r"(\d+)"
NETCONF = rf"/clusters/{N}/network_configuration/neutron"

ROUTES: list[tuple[str, dict[str, Handler]]] = [
    (r"/releases", {"GET": environments.get_releases}),
    (rf"/releases/{N}", {"GET": environments.get_release}),
    (rf"/releases/{N}/roles", {"GET": environments.get_roles}),
    (
        r"/clusters",
        {"GET": environments.get_clusters, "POST": environments.post_cluster},
    ),
    (
        rf"/clusters/{N}",
        {"GET": environments.get_cluster, "DELETE": environments.delete_cluster},
    ),
    (rf"/clusters/{N}/roles", {"GET": environments.get_roles}),
    (rf"/clusters/{N}/assignment", {"POST": environments.post_assignment}),
    (rf"/clusters/{N}/unassignment", {"POST": environments.post_unassignment}),
    (rf"/clusters/{N}/changes", {"PUT": actions.put_changes}),
    (rf"/clusters/{N}/provision", {"PUT": actions.put_provision}),
    (rf"/clusters/{N}/deploy", {"PUT": actions.put_deploy}),
    (rf"/clusters/{N}/stop_deployment", {"PUT": actions.put_stop}),
    (NETCONF, {"GET": networks.get_configuration, "PUT": networks.put_configuration}),
    (rf"{NETCONF}/verify", {"PUT": actions.put_verify}),
    (r"/nodegroups", {"GET": networks.get_groups, "POST": networks.post_group}),
    (rf"/nodegroups/{N}", {"DELETE": networks.delete_group}),
    (
        r"/nodes",
        {"GET": nodes.get_nodes, "POST": nodes.post_node, "DELETE": actions.delete_nodes},
    ),
    (r"/nodes/agent", {"PUT": nodes.put_agent}),
    (r"/nodes/interfaces", {"PUT": ports.put_many_ports}),
    (r"/nodes/allocation/stats", {"GET": nodes.get_statistics}),
    (
        rf"/nodes/{N}",
        {"GET": nodes.get_node, "PUT": nodes.put_node, "DELETE": actions.delete_node},
    ),
    (rf"/nodes/{N}/attributes", {"GET": nodes.get_attributes}),
    (rf"/nodes/{N}/disks", {"GET": layouts.get_disks, "PUT": layouts.put_disks}),
    (rf"/nodes/{N}/disks/defaults", {"GET": layouts.get_defaults}),
    (rf"/nodes/{N}/volumes", {"GET": layouts.get_volumes}),
    (rf"/nodes/{N}/interfaces", {"GET": ports.get_ports, "PUT": ports.put_ports}),
    (rf"/nodes/{N}/interfaces/default_assignment", {"GET": ports.get_default_ports}),
    (r"/tasks", {"GET": tasks.get_tasks}),
    (rf"/tasks/{N}", {"GET": tasks.get_task, "DELETE": tasks.delete_task}),
    (r"/transactions", {"GET": tasks.get_transactions}),
    (rf"/transactions/{N}", {"GET": tasks.get_transaction}),
    (rf"/transactions/{N}/deployment_history", {"GET": tasks.get_history}),
    (rf"/transactions/{N}/deployment_info", {"GET": tasks.get_empty}),
    (rf"/transactions/{N}/settings", {"GET": tasks.get_nothing}),
    (r"/notifications", {"GET": tasks.get_notifications}),
]
CONTROL: list[tuple[str, dict[str, Handler]]] = [
    (r"/state", {"GET": control.get_state}),
    (r"/calls", {"GET": control.get_calls, "DELETE": control.delete_calls}),
    (r"/faults", {"POST": control.post_fault, "DELETE": control.delete_faults}),
    (r"/clock", {"POST": control.post_clock}),
    (r"/auth", {"POST": control.post_auth}),
    (r"/nodes", {"POST": control.post_node}),
    (rf"/nodes/{N}", {"POST": control.patch_node}),
    (rf"/nodes/{N}/reregister", {"POST": control.reregister}),
    (rf"/clusters/{N}", {"POST": control.patch_cluster}),
    (rf"/tasks/{N}/drop", {"POST": control.drop_task}),
]
PUBLIC = {("POST", "/nodes"), ("PUT", "/nodes/agent")}
ACCEPTED = ("application/json", "application/x-yaml", "*/*")


def make_app(world: World) -> Starlette:
    """Return the application of a world."""

    async def answer(request: Request) -> Response:
        return await _answer(world, request)

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        response = await answer(Request(scope, receive))
        await response(scope, receive, send)

    @contextlib.asynccontextmanager
    async def life(app: Starlette) -> AsyncIterator[None]:
        jobs.resume(world)
        world.spawn(_watch_agents(world))
        yield
        await world.stop()

    return Starlette(routes=[Mount("/", app=serve)], lifespan=life)


async def _answer(world: World, request: Request) -> Response:
    path = request.url.path.rstrip("/") or "/"
    method = request.headers.get("X-HTTP-Method-Override", request.method)
    call = Call(None, dict(request.query_params), dict(request.headers))
    if path.startswith("/_lab/"):
        call.body = json.loads(await request.body() or b"null")
        return await _dispatch(world, CONTROL, method, path.removeprefix("/_lab"), call)
    seen = {"at": time.time(), "call": f"{method} {request.url.path}"}
    world.calls.append(seen | {"query": request.url.query or None})
    fault = world.faults.take_answer(f"{method} {request.url.path}")
    if fault:
        await asyncio.sleep(fault.delay_s)
        if fault.status:
            return raw(fault.body, fault.status, fault.content_type)
    try:
        call.body = json.loads(await request.body() or b"null")
    except ValueError:
        return Failure(400, "Invalid json received").response()
    response = await _nailgun(world, method, path, call)
    for watcher in world.watchers:
        watcher(str(seen["call"]))
    return response


async def _nailgun(world: World, method: str, path: str, call: Call) -> Response:
    if path.startswith("/keystone"):
        found = keystone.answer(world, method, path.removeprefix("/keystone"), call)
        return found or raw("not found", 404, HTML_TYPE)
    if path == "/":
        return raw("<!DOCTYPE HTML><title>IOError at /</title>", 500, HTML_TYPE)
    inner = re.sub(r"^/api(/v1)?", "", path)
    token = call.headers.get("x-auth-token", "")
    public = (method, inner) in PUBLIC
    if world.options.auth and not public and token not in world.tokens:
        return raw("", 401, "")
    accept = call.headers.get("accept", "*/*").split(",")[0].split(";")[0].strip()
    if accept not in ACCEPTED:
        return Failure(415, "").response()
    if inner == "/version" and method == "GET":
        groups = ["experimental", "advanced"]
        auth = world.options.auth
        body = {"release": "10.0", "auth_required": auth, "api": "1", "feature_groups": groups}
        return ok(body)
    return await _dispatch(world, ROUTES, method, inner, call)


async def _dispatch(
    world: World, routes: list[tuple[str, dict[str, Handler]]], method: str, path: str, call: Call
) -> Response:
    for pattern, handlers in routes:
        match = re.fullmatch(pattern, path)
        if not match:
            continue
        if method not in handlers:
            return raw("None", 405, HTML_TYPE)
        try:
            result = handlers[method](world, call, *match.groups())
            if inspect.isawaitable(result):
                result = await result
        except Failure as failure:
            return failure.response()
        status, body = result if isinstance(result, tuple) else (200, result)
        return raw("", 204, "") if status == 204 else ok(body, status)
    return raw("not found", 404, HTML_TYPE)


async def _watch_agents(world: World) -> None:
    """Call nodes offline whose agents are silent; not while they are provisioned."""
    while True:
        await world.clock.sleep(30)
        limit = world.clock.now() - world.options.keepalive_timeout_s
        for node in world.store.all("node"):
            silent = node["_seen"] < limit and not node.get("_immortal")
            if node["online"] and silent and node["status"] != "provisioning":
                node["online"] = False
                world.store.save("node", node)
                world.notify("error", f"Node '{node['name']}' has gone away", node=node["id"])
