"""
Let ``prefect deployment run upgrade-host`` mean ``upgrade-host/upgrade-host``.

Prefect asks for FLOW/DEPLOYMENT and has no setting for less. This is a plugin of Prefect: its
entry point is loaded where PREFECT_PLUGINS_ENABLED is true, as our settings and profile have it.
It wraps one method of Prefect's client, after looking whether that is still what it wraps.
"""

import inspect
from collections.abc import Callable
from typing import Any

from prefect.plugins import HookContext, SetupResult, register_hook

PREFECT_PLUGIN_API_REQUIRES = ">=0.1,<1"

METHOD = "read_deployment_by_name"
SIGNATURE = ["self", "name"]
KNOWN_MAJOR = "3"
WRAPPED = "_pumphouse_wraps"


def full(name: str) -> str:
    """Return *name* as FLOW/DEPLOYMENT: a bare one is that of both, as ours are called."""
    return name if "/" in name else f"{name}/{name}"


def changed(client: type, version: str) -> str:
    """Return what is not as it was when this was written; nothing when all is."""
    if version.partition(".")[0] != KNOWN_MAJOR:
        return f"Prefect is {version}, and this knows version {KNOWN_MAJOR}"
    method = getattr(client, METHOD, None)
    if method is None:
        return f"{client.__name__} has no {METHOD}"
    given = list(inspect.signature(method).parameters)
    return "" if given == SIGNATURE else f"{METHOD} takes {', '.join(given)}"


def clients() -> tuple[type, ...]:
    """Return Prefect's two clients for deployments, that for threads and that for coroutines."""
    from prefect.client.orchestration._deployments import client

    return client.DeploymentClient, client.DeploymentAsyncClient


def install(version: str) -> str:
    """Teach both clients bare names, once; return why not if Prefect is not as expected."""
    for client in clients():
        if problem := changed(client, version):
            return problem
    for client in clients():
        original = getattr(client, METHOD)
        if not hasattr(original, WRAPPED):
            setattr(client, METHOD, _wrapped(original))
    return ""


def _wrapped(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return *original* for bare names too; what it returns, a coroutine or not, is kept."""

    def read(self: Any, name: str) -> Any:
        return original(self, full(name))

    setattr(read, WRAPPED, original)
    return read


@register_hook
def setup_environment(*, ctx: HookContext) -> SetupResult:
    """Called by Prefect when it is imported."""
    if problem := install(ctx.prefect_version):
        ctx.logger_factory("pumphouse").warning(
            "Bare deployment names are not known, FLOW/DEPLOYMENT works: %s.", problem
        )
        return SetupResult(env={}, note=f"not installed: {problem}")
    return SetupResult(env={}, note="bare deployment names")
