"""Nova's compute services: disabled for maintenance, forced down, and as they were again."""

import threading
from typing import Any

from pumphouse import service_marks
from pumphouse.errors import ConfigError, Refused, RequestFailed, WaitFailed
from pumphouse.service_marks import LONGEST, Mark
from pumphouse.tasks.api import Api
from pumphouse.tasks.waiting import NEVER, poll

Raw = dict[str, Any]

BY_UUID = "2.53"
"""The first compute microversion whose services are named by UUID and changed by PUT."""


def at_most(api: Api, wanted: str) -> str:
    """Return compute microversion *wanted*, or the newest that both sides know if older."""
    newest = api.microversion("compute") or "2.1"
    return min(newest, wanted, key=lambda text: [*map(int, text.split("."))])


def read_service(api: Api, host: str) -> Raw:
    """
    Return nova-compute's service of *host*.

    Raises:
        ConfigError: There is none; the message names those that there are.
    """
    params = {"binary": "nova-compute"}
    version = api.microversion("compute")
    services: list[Raw] = api.get("compute", "/os-services", params, version)["services"]
    for service in services:
        if service["host"] == host:
            return service
    hosts = ", ".join(sorted(s["host"] for s in services)) or "none"
    problem = f"Cloud {api.name} has no compute host {host!r}; there are {hosts}."
    raise ConfigError("host", [problem])


def disable(api: Api, service: Raw, *, force_down: bool = False, power_off: bool = False) -> Mark:
    """
    Keep new servers off a host, and return what was written about how it was before.

    The second time the first mark stays, so nothing of what was before is lost. With
    *force_down* Nova also takes the host as dead: only for one that is proven to be. With
    *power_off* it is noted that the host is about to be powered off by us.

    Raises:
        Refused: Somebody else's reason is too long to be kept beside ours.
    """
    mark = service_marks.mark_of(service["status"], service.get("disabled_reason"))
    if force_down and not service.get("forced_down"):
        mark = mark.model_copy(update={"is_forced_down": True})
    if power_off:
        mark = mark.model_copy(update={"is_powered_off": True})
    if len(mark.text) > LONGEST:
        what = f"Maintenance of host {service['host']}"
        raise Refused(
            what, ["Its service is disabled with a reason too long to keep; shorten it."]
        )
    if service.get("disabled_reason") != mark.text or service["status"] != "disabled":
        _set_status(api, service, mark.text)
    if mark.is_forced_down and not service.get("forced_down"):
        _force_down(api, service, True)
    return mark


def disable_because(api: Api, service: Raw, reason: str) -> None:
    """Keep new servers off a host, for *reason* and whatever the reason was before."""
    _set_status(api, service, reason[:LONGEST])


def enable(api: Api, service: Raw) -> None:
    """Let servers come to a host, whoever disabled it."""
    _set_status(api, service, None, True)


def note_reset(api: Api, service: Raw, when: str) -> None:
    """Write beside what was before that the host was reset at *when*, or, if empty, was not."""
    mark = service_marks.mark_of(service["status"], service.get("disabled_reason"))
    # Rather lose the end of somebody's reason than the time: a reset must not be repeated.
    _set_status(api, service, mark.model_copy(update={"reset_at": when}).text[:LONGEST])


def restore(api: Api, service: Raw, timeout_s: float = 0, stop: threading.Event = NEVER) -> str:
    """
    Make a service as it was before we disabled it, and say what was done.

    One that we did not disable is left alone.

    timeout_s: How long Nova is asked to take it as up again. It refuses while the host's
        nova-compute has not cleaned up after evacuations, which it does when it starts.

    Raises:
        WaitFailed, Interrupted: As `poll`. The service is still disabled.
        RequestFailed: Nova refuses, for example to take back that a host is down whose
            nova-compute has not cleaned up after evacuations. The service is still disabled.
    """
    host, mark = service["host"], service_marks.parse(service.get("disabled_reason"))
    if mark is None:
        state = f"{service['status']} ({service.get('disabled_reason') or 'no reason'})"
        return f"Host {host} is not in maintenance by Pumphouse: {state}. Nothing was changed."
    if mark.is_forced_down and service.get("forced_down"):
        _force_up(api, service, timeout_s, stop)
    _set_status(api, service, None if mark.was_enabled else mark.reason or "", mark.was_enabled)
    if mark.was_enabled:
        return f"Host {host} is enabled again."
    return f"Host {host} is disabled as before ({mark.reason or 'no reason'})."


def _force_up(api: Api, service: Raw, timeout_s: float, stop: threading.Event) -> None:
    """Let Nova take the host as alive again, asking for *timeout_s* while it refuses."""
    refused: list[RequestFailed] = []

    def is_taken() -> bool:
        try:
            _force_down(api, service, False)
        except RequestFailed as failed:
            if not timeout_s or failed.status not in (400, 409):
                raise
            refused[:] = [failed]
            return False
        return True

    try:
        poll(
            f"nova-compute of {service['host']} to start and clean up",
            is_taken,
            bool,
            timeout_s,
            stop,
        )
    except WaitFailed as error:
        raise WaitFailed(error.what, f"{error.reason} {refused[-1]}") from error


def _set_status(api: Api, service: Raw, reason: str | None, is_enabled: bool = False) -> None:
    change = {"status": "enabled" if is_enabled else "disabled"}
    if not is_enabled and reason:
        change["disabled_reason"] = reason
    if _has_uuids(api):
        _put(api, f"/os-services/{service['id']}", change)
        return
    verb = "enable" if is_enabled else "disable-log-reason" if reason else "disable"
    target = {"host": service["host"], "binary": "nova-compute"}
    _put(api, f"/os-services/{verb}", target | {k: v for k, v in change.items() if k != "status"})


def _force_down(api: Api, service: Raw, is_down: bool) -> None:
    if _has_uuids(api):
        _put(api, f"/os-services/{service['id']}", {"forced_down": is_down})
        return
    target = {"host": service["host"], "binary": "nova-compute", "forced_down": is_down}
    _put(api, "/os-services/force-down", target)


def _has_uuids(api: Api) -> bool:
    return at_most(api, BY_UUID) == BY_UUID


def _put(api: Api, path: str, change: Raw) -> None:
    # The same change twice is one change: a lost answer does no harm.
    version = api.microversion("compute")
    api.call("PUT", "compute", path, json=change, microversion=version, retry=True)


def delete_service(api: Api, service: Raw) -> None:
    """Delete a compute service; one that is gone is no failure."""
    api.delete("compute", f"/os-services/{service['id']}")
