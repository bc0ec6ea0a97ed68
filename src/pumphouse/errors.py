"""
Our exception hierarchy:

* PumphouseError
  - ConfigError             the configuration or an input is wrong; exit code 2
  - CloudUnreachable        a cloud does not answer or does not let us in
  - MissingRights           a cloud answers, but forbids what the job needs
  - RequestFailed           one API call failed for good
  - ExtractionFailed        tables of the inventory could not be read
  - TableMissing            an inventory lacks a table that is needed
  - Refused                 a check said no before anything was changed; exit code 3
  - PlanDrifted             what a plan rests on is no longer so; exit code 3
  - Conflict                the target holds something else under the same name
  - CopyFailed              bytes did not arrive, or arrived changed
  - CephFailed              a pool of Ceph did not do what was asked
  - Unverified              a copy differs from its source
  - Unhealthy               a server fails its health checks
  - WaitFailed              a resource did not become what was waited for
  - Interrupted             the run was told to stop
  - ServerClaimed           another run moves the same server
  - MovedMeanwhile          another run has moved the same server, and is done with it
  - PasswordsFailed         passwords of users were not delivered or not copied
  - LeftTogether            a server that belongs together with this one failed
  - CutOverFailed           one server's cut-over failed and was undone (or could not be)
  - ReturnFailed            one server's return failed and was undone (or could not be)
  - TakeBackIncomplete      what a killed run left half-way was not all undone
  - MigrationIncomplete     a run ended with something left to do
    - RollbackIncomplete    a rollback did
    - FinalizeIncomplete    a finalize did
  - MoveFailed              one server did not leave its host
  - FencingFailed           a host is not proven to be off, so its servers were left alone
  - EvacuationIncomplete    a host was not emptied, or nobody agrees that it is empty
  - BmcError                a host's BMC did not do what was asked
    - BmcUnreachable        it does not answer, or the session broke
    - BmcRefused            it answers, but not to this user or not with this right
    - BmcFailed             it took the command, and what it tells afterwards is not that
  - SwitchError             a switch did not do what was asked
    - SwitchUnreachable     it does not answer, or the connection broke
    - SwitchRefused         it, or we, refused the login
    - SwitchFailed          it refused a command, or its port is not where it was moved
  - FuelUnreachable         the Fuel master does not answer or does not let us in
  - FuelRefused             Fuel answered a request with an error
  - FuelBusy                Fuel does something else in that environment; try again later
  - FuelTaskFailed          a job of Fuel failed, or its node is not what it should be
  - FuelNodeUnclear         several of Fuel's nodes could be the host
  - UpgradeFailed           a step of a host's upgrade failed; says where the host is now
    - UpgradeRejected       somebody did not approve it; exit code 3
    - HostReturnFailed      a host was not brought back to the source; says where it is now
    - EvacuationFailed      emptying a host broke off; says how it is now
    - LeaveFailed           a host was not taken out of maintenance; says how it is now
    - ReleaseFailed         a step of a host's release failed; says where the host is now
      - ReleaseRejected     somebody did not approve it; exit code 3
  - UpgradesIncomplete      some of several hosts were not upgraded
  - ServerUnreachable       the Prefect server does not answer or does not let us in
  - RunFailed               a run on the server ended, but not well
"""

from collections.abc import Sequence
from typing import Any


class PumphouseError(Exception):
    """
    Base of everything Pumphouse raises on purpose.

    Subclasses give all their arguments to ``super().__init__`` and word the
    message in ``__str__``: Prefect pickles exceptions, and pickle calls the
    class again with ``args``.
    """

    exit_code = 1


class ConfigError(PumphouseError):
    """
    The configuration or another input is wrong. Nothing was touched.

    Attributes:
        origin: The file or option the value came from.

        problems: One sentence each, naming the field and what is allowed.
    """

    exit_code = 2

    def __init__(self, origin: str, problems: Sequence[str]) -> None:
        super().__init__(origin, list(problems))
        self.origin = origin
        self.problems = list(problems)

    def __str__(self) -> str:
        return f"{self.origin}: {' '.join(self.problems)}"


class CloudUnreachable(PumphouseError):
    """
    A cloud does not answer, or does not accept our credentials.

    Attributes:
        cloud: Its role or name.

        reason: What happened, one sentence, without a secret.
    """

    def __init__(self, cloud: str, reason: str) -> None:
        super().__init__(cloud, reason)
        self.cloud = cloud
        self.reason = reason

    def __str__(self) -> str:
        return f"Cloud {self.cloud} cannot be used: {self.reason} Nothing was changed there."


class MissingRights(PumphouseError):
    """
    The cloud knows us but forbids a call that the job needs.

    Attributes:
        cloud: Its role or name.

        call: Method and path.

        needed: The right that is missing, as an operator would grant it.
    """

    def __init__(self, cloud: str, call: str, needed: str) -> None:
        super().__init__(cloud, call, needed)
        self.cloud = cloud
        self.call = call
        self.needed = needed

    def __str__(self) -> str:
        return f"Cloud {self.cloud} forbids {self.call}. Grant {self.needed} and run again."


class RequestFailed(PumphouseError):
    """
    One API call failed for good; retries were used up where they could help.

    Attributes:
        cloud: Its role or name.

        call: Method and path.

        status: HTTP status, or 0 when there was no answer.

        reason: The service's own words.
    """

    def __init__(self, cloud: str, call: str, status: int, reason: str) -> None:
        super().__init__(cloud, call, status, reason)
        self.cloud = cloud
        self.call = call
        self.status = status
        self.reason = reason

    def __str__(self) -> str:
        answer = f"answered {self.status}" if self.status else "gave no answer"
        return f"{self.call} on cloud {self.cloud} {answer}: {self.reason}"


class ExtractionFailed(PumphouseError):
    """
    Some tables could not be read; the others were kept.

    Attributes:
        failed: ``cloud/kind: reason`` each, at least one.

        kept: How many tables were read and stored.

        location: Where they are.
    """

    def __init__(self, failed: Sequence[str], kept: int, location: str) -> None:
        super().__init__(list(failed), kept, location)
        self.failed = list(failed)
        self.kept = kept
        self.location = location

    def __str__(self) -> str:
        return (
            f"{len(self.failed)} table(s) could not be read ({'; '.join(self.failed)}). "
            f"{self.kept} others are in {self.location}. "
            "No cloud was changed; run discover again when the service answers."
        )


class TableMissing(PumphouseError):
    """
    An inventory lacks a table that is needed. Nothing was changed.

    Attributes:
        cloud: Role of the cloud it is an inventory of.

        kind: The table.

        reason: Why it is not there.
    """

    def __init__(self, cloud: str, kind: str, reason: str) -> None:
        super().__init__(cloud, kind, reason)
        self.cloud = cloud
        self.kind = kind
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"The inventory of cloud {self.cloud} has no table {self.kind}: {self.reason} "
            "Nothing was changed; run discover again."
        )


class Refused(PumphouseError):
    """
    A check said no. Nothing was changed.

    Attributes:
        what: What was asked for.

        reasons: Sentences, at least one, each with what would help.
    """

    exit_code = 3

    def __init__(self, what: str, reasons: Sequence[str]) -> None:
        super().__init__(what, list(reasons))
        self.what = what
        self.reasons = list(reasons)

    def __str__(self) -> str:
        return f"{self.what} was refused and nothing was changed: {' '.join(self.reasons)}"


class PlanDrifted(PumphouseError):
    """
    What a plan rests on is no longer so. Nothing was changed.

    Attributes:
        plan: Where the plan is.

        differences: Sentences, at least one.

        renewed: Where the plan is as it would be made now.
    """

    exit_code = 3

    def __init__(self, plan: str, differences: Sequence[str], renewed: str) -> None:
        super().__init__(plan, list(differences), renewed)
        self.plan = plan
        self.differences = list(differences)
        self.renewed = renewed

    def __str__(self) -> str:
        found = "".join(f"\n  • {sentence}" for sentence in self.differences)
        return (
            f"The plan {self.plan} rests on what is no longer so, and nothing was changed. "
            f"{len(self.differences)} difference(s):{found}\n"
            f"What it would be now is in {self.renewed}; read that, and migrate by it."
        )


class Conflict(PumphouseError):
    """
    The target holds a different thing where the copy should go.

    Attributes:
        kind: Table it belongs to, for example ``networks``.

        name: Name and id of the source's resource.

        differences: ``field: source != target`` each.
    """

    def __init__(self, kind: str, name: str, differences: Sequence[str]) -> None:
        super().__init__(kind, name, list(differences))
        self.kind = kind
        self.name = name
        self.differences = list(differences)

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.name} exists at the target and differs "
            f"({'; '.join(self.differences)}). It was not touched; rename or map it, or make "
            "them equal, and run again."
        )


class CopyFailed(PumphouseError):
    """
    An image's or volume's bytes, or a security group's rules, did not arrive whole.

    Attributes:
        kind: ``image``, ``volume`` or ``security group``.

        name: Name and source id.

        reason: What happened.

        left: What is left behind, and what to do next.
    """

    def __init__(self, kind: str, name: str, reason: str, left: str) -> None:
        super().__init__(kind, name, reason, left)
        self.kind = kind
        self.name = name
        self.reason = reason
        self.left = left

    def __str__(self) -> str:
        return f"The {self.kind} {self.name} was not copied: {self.reason} {self.left}"


class CephFailed(PumphouseError):
    """
    A pool of Ceph did not do what was asked.

    Attributes:
        role: Of the cloud whose access was used.

        what: The command, or the image.

        reason: What was wrong.

        left: What it changed: a sentence.
    """

    def __init__(
        self, role: str, what: str, reason: str, left: str = "This changed nothing."
    ) -> None:
        super().__init__(role, what, reason, left)
        self.role = role
        self.what = what
        self.reason = reason
        self.left = left

    def __str__(self) -> str:
        return (
            f"The {self.role}'s Ceph, {self.what}: {self.reason}. {self.left} Look at "
            f"migrate.rbd.{self.role} of the configuration and at the pool, and run again."
        )


class Unverified(PumphouseError):
    """
    A copy exists but is not the same as its source.

    Attributes:
        kind: Table it belongs to, for example ``servers``.

        name: Name and source id.

        copy_id: Id of the copy at the target.

        differences: ``field: source != target`` each, at least one.
    """

    def __init__(self, kind: str, name: str, copy_id: str, differences: Sequence[str]) -> None:
        super().__init__(kind, name, copy_id, list(differences))
        self.kind = kind
        self.name = name
        self.copy_id = copy_id
        self.differences = list(differences)

    def __str__(self) -> str:
        return (
            f"{self.kind} {self.name} was copied to {self.copy_id}, but they differ "
            f"({'; '.join(self.differences)})."
        )


class Unhealthy(PumphouseError):
    """
    A server does not do its work.

    Attributes:
        server: Its name and id.

        cloud: Role of the cloud that it is in.

        failed: ``name: reason`` of each check that failed, at least one.
    """

    def __init__(self, server: str, cloud: str, failed: Sequence[str]) -> None:
        super().__init__(server, cloud, list(failed))
        self.server = server
        self.cloud = cloud
        self.failed = list(failed)

    def __str__(self) -> str:
        whys = " ".join(self.failed)
        return f"Server {self.server} of the {self.cloud} fails its health checks. {whys}"


class WaitFailed(PumphouseError):
    """
    A resource did not reach the state that was waited for.

    Attributes:
        what: Which resource and state, for example ``server web (UUID) to be ACTIVE``.

        reason: What it is instead, or how long was waited.
    """

    def __init__(self, what: str, reason: str) -> None:
        super().__init__(what, reason)
        self.what = what
        self.reason = reason

    def __str__(self) -> str:
        return f"Waited in vain for {self.what}: {self.reason}"


class Interrupted(PumphouseError):
    """
    The run was told to stop.

    Attributes:
        what: What was under way.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"The run was cancelled while {self.what}."


class ServerClaimed(PumphouseError):
    """
    Another run moves the same server.

    Attributes:
        server: Name and source id.

        who: The other run, as a sentence.
    """

    def __init__(self, server: str, who: str) -> None:
        super().__init__(server, who)
        self.server = server
        self.who = who

    def __str__(self) -> str:
        return f"Server {self.server} is taken: {self.who} Wait for that run, or cancel it."


class MovedMeanwhile(PumphouseError):
    """
    Another run has moved the same server, there or back, since this one read the clouds.

    Attributes:
        server: Name and source id.

        where: The cloud that it is at, and more.
    """

    def __init__(self, server: str, where: str) -> None:
        super().__init__(server, where)
        self.server = server
        self.where = where

    def __str__(self) -> str:
        return (
            f"Server {self.server} is at {self.where} already: another run has seen to it since "
            "this one read the clouds. If others are left, run this again."
        )


class PasswordsFailed(PumphouseError):
    """
    A password was not delivered, or passwords were not copied.

    Attributes:
        users: Name and source id of a user, or who they are.

        reason: What happened, without any password.

        state: What was and was not changed, and what to do.
    """

    def __init__(self, users: str, reason: str, state: str) -> None:
        super().__init__(users, reason, state)
        self.users = users
        self.reason = reason
        self.state = state

    def __str__(self) -> str:
        return f"Passwords {self.users}: {self.reason} {self.state}"


class LeftTogether(PumphouseError):
    """
    Another server of the same group failed, so this one stays too.

    Attributes:
        server: Name and source id.

        why: What happened to the other one, as a sentence.
    """

    def __init__(self, server: str, why: str) -> None:
        super().__init__(server, why)
        self.server = server
        self.why = why

    def __str__(self) -> str:
        return f"{self.why} Server {self.server} belongs together with it."


class CutOverFailed(PumphouseError):
    """
    One server's cut-over failed.

    Attributes:
        server: Name and source id.

        step: The step that failed.

        reason: What happened there.

        state: What was undone, what was not, and in which state source and target are now.

        spent: What the ledger tells of the attempt, by column: times, bytes, requests.
    """

    def __init__(self, server: str, step: str, reason: str, state: str) -> None:
        super().__init__(server, step, reason, state)
        self.server = server
        self.step = step
        self.reason = reason
        self.state = state
        self.spent: dict[str, Any] = {}

    def __str__(self) -> str:
        return f"Server {self.server} was not migrated: {self.step}: {self.reason} {self.state}"


class TakeBackIncomplete(PumphouseError):
    """
    Not everything that a killed run left half-way was undone.

    Attributes:
        run: Id of that run.

        problems: A sentence for each server that is not as it was.
    """

    def __init__(self, run: str, problems: Sequence[str]) -> None:
        super().__init__(run, list(problems))
        self.run = run
        self.problems = list(problems)

    def __str__(self) -> str:
        return (
            f"Run {self.run} was killed, and {len(self.problems)} server(s) are not as before: "
            f"{' | '.join(self.problems)} Repair that and run the same migration again."
        )


class MigrationIncomplete(PumphouseError):
    """
    A run ended, and not everything that was asked for is done.

    Attributes:
        failed: ``kind name: reason`` each, at least one.

        done: How many actions were carried out or found done.

        report: Where the ledger and report are.
    """

    def __init__(self, failed: Sequence[str], done: int, report: str) -> None:
        super().__init__(list(failed), done, report)
        self.failed = list(failed)
        self.done = done
        self.report = report

    def __str__(self) -> str:
        return (
            f"{len(self.failed)} action(s) failed, {self.done} are done: "
            f"{' | '.join(self.failed)} The report is {self.report}. "
            "Run the same migration again to go on: what is done is found and not repeated."
        )


class ReturnFailed(CutOverFailed):
    """One server's return to the source failed. Attributes as of `CutOverFailed`."""

    def __str__(self) -> str:
        return f"Server {self.server} was not returned: {self.step}: {self.reason} {self.state}"


class RollbackIncomplete(MigrationIncomplete):
    """A rollback ended, and not every server is back. Attributes as of `MigrationIncomplete`."""

    def __str__(self) -> str:
        return (
            f"{len(self.failed)} server(s) are not back, {self.done} are: "
            f"{' | '.join(self.failed)} The report is {self.report}. "
            "Run the same rollback again to go on."
        )


class FinalizeIncomplete(MigrationIncomplete):
    """A finalize ended, and some was not deleted. Attributes as of `MigrationIncomplete`."""

    def __str__(self) -> str:
        return (
            f"{len(self.failed)} thing(s) of the source could not be deleted, {self.done} were: "
            f"{' | '.join(self.failed)} The report is {self.report}. "
            "Run the same finalize again to go on."
        )


class BmcError(PumphouseError):
    """
    A BMC did not do what was asked.

    Attributes:
        bmc: Protocol, address and port.

        doing: What was asked, for example ``set the boot device``.

        reason: What happened, and what was or was not changed: whole sentences.
    """

    advice = ""

    def __init__(self, bmc: str, doing: str, reason: str) -> None:
        super().__init__(bmc, doing, reason)
        self.bmc = bmc
        self.doing = doing
        self.reason = reason

    def __str__(self) -> str:
        return f"BMC {self.bmc}: could not {self.doing}: {self.reason} {self.advice}".rstrip()


class BmcUnreachable(BmcError):
    """A BMC does not answer, its name is unknown, or the session broke. Worth a retry."""

    advice = "Check its address, the network to it, and that IPMI over LAN or Redfish is on."


class BmcRefused(BmcError):
    """A BMC answers, but not to this user, password, certificate or privilege. No retry helps."""

    advice = "Correct the access to this BMC and run again."


class BmcFailed(BmcError):
    """A BMC took a command, or said no to it, and the machine is not as it was asked to be."""

    advice = "Look at the machine's console and at the BMC's own log."


class SwitchError(PumphouseError):
    """
    A switch did not do what was asked.

    Attributes:
        switch: Its name and where it is.

        doing: What was asked, for example ``move port swp7 to VLAN 30``.

        reason: What happened, and what was or was not changed: whole sentences.
    """

    advice = ""

    def __init__(self, switch: str, doing: str, reason: str) -> None:
        super().__init__(switch, doing, reason)
        self.switch = switch
        self.doing = doing
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"Switch {self.switch}: could not {self.doing}: {self.reason} {self.advice}".rstrip()
        )


class SwitchUnreachable(SwitchError):
    """A switch does not answer, or the connection broke. Worth a retry."""

    advice = "Check its address, and that SSH to it is open from the worker."


class SwitchRefused(SwitchError):
    """A switch does not accept our login, or we do not accept its host key. No retry helps."""

    advice = "Correct the access to this switch and run again."


class SwitchFailed(SwitchError):
    """A switch refused a command, has no such port, or took all and the port is not there."""

    advice = "Look at the port on the switch, correct it or the configuration, and run again."


class FuelUnreachable(PumphouseError):
    """
    The Fuel master does not answer, or does not accept our credentials.

    Attributes:
        url: Of the master or its Keystone.

        reason: What happened, one sentence, without a secret.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"Fuel at {self.url} cannot be used: {self.reason} What Fuel was doing before goes "
            "on there; run again when it answers."
        )


class FuelRefused(PumphouseError):
    """
    Fuel answered one request with an error.

    Attributes:
        call: Method and path.

        status: HTTP status.

        reason: Fuel's own words.
    """

    def __init__(self, call: str, status: int, reason: str) -> None:
        super().__init__(call, status, reason)
        self.call = call
        self.status = status
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"Fuel answered {self.call} with {self.status}: {self.reason.rstrip('.')}. "
            "That request changed nothing."
        )


class FuelBusy(PumphouseError):
    """
    Fuel works on something else in the environment, and does one thing at a time.

    Attributes:
        call: Method and path that was turned away.

        reason: Fuel's own words.
    """

    def __init__(self, call: str, reason: str) -> None:
        super().__init__(call, reason)
        self.call = call
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"Fuel is busy and turned {self.call} away: {self.reason.rstrip('.')}. Nothing was "
            "changed; run again when its running task is over."
        )


class FuelTaskFailed(PumphouseError):
    """
    A job of Fuel failed, or said ready while its node is not.

    Attributes:
        what: Which job and node, with names and ids.

        reason: What Fuel said and in which state the node is.

        advice: What to do next.
    """

    def __init__(self, what: str, reason: str, advice: str) -> None:
        super().__init__(what, reason, advice)
        self.what = what
        self.reason = reason
        self.advice = advice

    def __str__(self) -> str:
        return f"Fuel's {self.what} failed: {self.reason} {self.advice}"


class FuelNodeUnclear(PumphouseError):
    """
    It is not certain which of Fuel's nodes a host is. Nothing was changed.

    Attributes:
        macs: The MACs that the host should have.

        nodes: The nodes with some of them: name, id and MACs each.
    """

    def __init__(self, macs: Sequence[str], nodes: Sequence[str]) -> None:
        super().__init__(list(macs), list(nodes))
        self.macs = list(macs)
        self.nodes = list(nodes)

    def __str__(self) -> str:
        return (
            f"No node of Fuel is certainly the host with {', '.join(self.macs)}: "
            f"{'; '.join(self.nodes)}. Nothing was changed; correct the host's MACs in the "
            "configuration, or delete the stale node in Fuel."
        )


class MoveFailed(PumphouseError):
    """
    One server did not leave its host.

    Attributes:
        server: Name and id.

        way: How it was tried: ``live``, ``cold``, ``evacuate`` or ``offload``.

        reason: What happened, in Nova's words where it has some.

        state: How and where it is now.
    """

    def __init__(self, server: str, way: str, reason: str, state: str) -> None:
        super().__init__(server, way, reason, state)
        self.server = server
        self.way = way
        self.reason = reason
        self.state = state

    def __str__(self) -> str:
        reason = f"{self.reason.rstrip('.')}."
        return f"Server {self.server} did not move ({self.way}): {reason} {self.state}"


class FencingFailed(PumphouseError):
    """
    A host is not proven to be powered off.

    Attributes:
        host: Nova's name of it.

        reason: What its BMC said: whole sentences.
    """

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(host, reason)
        self.host = host
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"Host {self.host} could not be fenced, and may still run its servers: {self.reason} "
            "None of them was touched, and Nova was not told that it is down. "
            f"Power it off by hand and run with --fenced, or take it back: pumphouse maintenance "
            f"leave {self.host}."
        )


class EvacuationIncomplete(PumphouseError):
    """
    A host was not emptied, or Nova, Placement and the hypervisor do not agree that it is empty.

    Attributes:
        host: Its name.

        left: A sentence for each server that is still there, or for each that contradicts.

        moved: Names of the servers that left.

        service: How its compute service is now.
    """

    def __init__(self, host: str, left: Sequence[str], moved: Sequence[str], service: str) -> None:
        super().__init__(host, list(left), list(moved), service)
        self.host = host
        self.left = list(left)
        self.moved = list(moved)
        self.service = service

    def __str__(self) -> str:
        moved = (
            f"{len(self.moved)} moved ({', '.join(self.moved)})" if self.moved else "none moved"
        )
        return (
            f"Host {self.host} is not empty: {' | '.join(self.left)} Of its servers {moved}. "
            f"Its compute service is {self.service}. `pumphouse evacuate {self.host}` goes on; "
            f"`pumphouse maintenance leave {self.host}` takes the host back as it was."
        )


class UpgradeFailed(PumphouseError):
    """
    A step of a host's upgrade failed, or the run was told to stop there.

    Attributes:
        host: Its name.

        step: The step that failed.

        reason: What happened there.

        state: In which state the host is now, and what brings it forward and back.
    """

    done = "upgraded"

    def __init__(self, host: str, step: str, reason: str, state: str) -> None:
        super().__init__(host, step, reason, state)
        self.host = host
        self.step = step
        self.reason = reason
        self.state = state

    def __str__(self) -> str:
        return f"Host {self.host} was not {self.done}: {self.step}: {self.reason} {self.state}"


class UpgradeRejected(UpgradeFailed):
    """Somebody did not approve that a host's disks are given up. Its disks are untouched."""

    exit_code = 3


class HostReturnFailed(UpgradeFailed):
    """A host was not brought back to the source, or not all the way."""

    done = "brought back"


class EvacuationFailed(UpgradeFailed):
    """Emptying a host broke off, not by one of its servers. The host is disabled."""

    done = "emptied"


class LeaveFailed(UpgradeFailed):
    """A host was not taken out of maintenance, or not all the way."""

    done = "taken out of maintenance"


class ReleaseFailed(UpgradeFailed):
    """A step of a host's release to Fuel failed, or the run was told to stop there."""

    done = "released"


class ReleaseRejected(ReleaseFailed):
    """Somebody did not approve that a host is given up. It runs on, empty."""

    exit_code = 3


class UpgradesIncomplete(PumphouseError):
    """
    Not all of several hosts were upgraded.

    Attributes:
        failed: ``host: reason`` each, at least one.

        left: Hosts that were not begun, each with the reason.

        done: Hosts that are compute nodes of the target now.
    """

    def __init__(self, failed: Sequence[str], left: Sequence[str], done: Sequence[str]) -> None:
        super().__init__(list(failed), list(left), list(done))
        self.failed = list(failed)
        self.left = list(left)
        self.done = list(done)

    def __str__(self) -> str:
        begun = f" Not begun: {'; '.join(self.left)}" if self.left else ""
        done = f" Done: {', '.join(self.done)}." if self.done else ""
        return (
            f"{len(self.failed)} host(s) were not upgraded: {' | '.join(self.failed)}{begun}"
            f"{done} Run the same again to go on: what is done is found and not repeated."
        )


class ServerUnreachable(PumphouseError):
    """
    The Prefect server cannot be used. No cloud was touched.

    Attributes:
        url: Of its API.

        reason: What happened, one clause.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return f"The Prefect server {self.url} cannot be used: {self.reason}"


class RunFailed(PumphouseError):
    """
    A run on the server ended, but not well.

    Attributes:
        run: Its name.

        state: Prefect's word and message for how it ended.

        url: Its page.

        code: Exit code of the error that ended it.
    """

    def __init__(self, run: str, state: str, url: str, code: int = 1) -> None:
        super().__init__(run, state, url, code)
        self.run = run
        self.state = state
        self.url = url
        self.exit_code = code

    def __str__(self) -> str:
        return f"Run {self.run} ended {self.state} See {self.url}"


def exit_code(name: str) -> int:
    """Return the exit code of the error class called *name*; 1 for what is not ours."""
    found = globals().get(name)
    if isinstance(found, type) and issubclass(found, PumphouseError):
        return found.exit_code
    return 1
