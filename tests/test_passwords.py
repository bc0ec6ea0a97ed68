"""Passwords of copied users: new ones are delivered before the user is made, hashes copied."""

import csv
import json
import stat
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr, ValidationError
from sqlalchemy import create_engine, text

from pumphouse.errors import PasswordsFailed, RequestFailed
from pumphouse.models import Action
from pumphouse.passwords import Passwords, is_verified, loss
from pumphouse.plan import Item
from pumphouse.tasks import identity, passwords
from pumphouse.tasks.api import Api
from pumphouse.tasks.password_hashes import copy_hashes, problems
from pumphouse.tasks.passwords import Delivery

LOUD = "import sys; print(sys.stdin.read()); sys.exit(3)"
SCRYPT = "$scrypt$ln=16,r=8,p=1$c2FsdA$aGFzaA"
TABLES = (
    "CREATE TABLE local_user (id INTEGER PRIMARY KEY, user_id TEXT, domain_id TEXT, name TEXT)",
    "CREATE TABLE password (id INTEGER PRIMARY KEY, local_user_id INTEGER, password_hash TEXT, "
    "self_service BOOLEAN, created_at TEXT, created_at_int INTEGER, expires_at TEXT, "
    "expires_at_int INTEGER)",
)


class Cloud:
    """An Api that answers who is there, each time as *found* says; nobody when it is used up."""

    name = "target"

    def __init__(self, *found: str) -> None:
        self.found = list(found)

    def get(self, service: str, path: str, params: Any) -> Any:
        """Return the users of a name: one whose id is not empty, or none."""
        id_ = self.found.pop(0) if self.found else ""
        return {"users": [{"id": id_}] if id_ else []}


def user(id_: str = "s1") -> Item:
    """Return a user that is to be made."""
    row = {"id": id_, "name": "ann", "domain_id": "d", "email": "ann@example.org"}
    return Item(
        kind="users", source_id=id_, name="ann", action=Action.CREATE, reason="new", row=row
    )


@pytest.fixture(name="made")
def _made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passwords of the users that were made at the target."""
    seen: list[str] = []
    monkeypatch.setattr(
        identity, "make_user", lambda api, item, ids, password: seen.append(password) or "t1"
    )
    return seen


def deliver(chosen: Passwords, *found: str) -> Any:
    """Make one user as *chosen* says, where lookups find *found* one after the other."""
    cloud = cast(Api, Cloud(*found))
    return Delivery(chosen, {"d": "Default"}).make_user(cloud, user(), {"domains": {}})


def test_a_new_password_is_in_a_file_that_only_its_owner_reads(
    tmp_path: Path, made: list[str]
) -> None:
    """Also when the file was there, readable by others; each user is a line."""
    file = tmp_path / "new" / "passwords.csv"
    file.parent.mkdir()
    file.touch(mode=0o644)

    assert deliver(Passwords(file=str(file))) == "t1"
    deliver(Passwords(file=str(file)))

    lines = list(csv.DictReader(file.open()))
    assert [line["password"] for line in lines] == made
    assert len(set(made)) == 2
    assert (lines[0]["cloud"], lines[0]["domain"], lines[0]["user"]) == (
        "target",
        "Default",
        "ann",
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_command_gets_it_by_standard_input(tmp_path: Path, made: list[str]) -> None:
    """Not by its arguments, which every user of the machine sees."""
    file = tmp_path / "taken"
    script = "import sys; open(sys.argv[1], 'w').write(sys.stdin.read())"

    deliver(Passwords(command=[sys.executable, "-c", script, str(file)]))

    told = json.loads(file.read_text())
    assert (told["password"], told["email"]) == (made[0], "ann@example.org")


def test_who_came_since_the_plan_is_taken_and_no_password_delivered(
    tmp_path: Path, made: list[str]
) -> None:
    """The last line of a user counts: one that never works must not come after another run's."""
    file = tmp_path / "passwords.csv"
    id_, words = deliver(Passwords(file=str(file)), "t9")
    assert (id_, made, file.exists()) == ("t9", [], False)
    assert "It came there since the plan" in words


@pytest.mark.parametrize(
    ("status", "there"), [(409, "t9"), (409, ""), (500, "t9")], ids=["rival", "odd", "broken"]
)
def test_a_user_whom_another_run_makes_meanwhile_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, there: str
) -> None:
    """It is there as it was wished; the ledger says which password is void. Else it fails."""
    failure = RequestFailed("target", "POST /users", status, "It is there.")

    def fail(*given: Any) -> str:
        raise failure

    monkeypatch.setattr(identity, "make_user", fail)
    chosen = Passwords(file=str(tmp_path / "passwords.csv"))
    if (status, there) != (409, "t9"):
        with pytest.raises(RequestFailed):
            deliver(chosen, "", there)
        return
    id_, words = deliver(chosen, "", there)
    (line,) = csv.DictReader((tmp_path / "passwords.csv").open())
    assert id_ == "t9"
    assert f"delivered at {line['made_at']} is void" in words


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (
            [sys.executable, "-c", LOUD],
            "ended with 3",
        ),
        (["/no/such/program"], "No such file"),
    ],
)
def test_what_is_not_delivered_is_not_made(
    made: list[str], command: list[str], words: str
) -> None:
    """Nobody would know the password; and the error does not repeat it."""
    with pytest.raises(PasswordsFailed, match=f"{words}.*The user was not made") as caught:
        deliver(Passwords(command=command))

    assert made == []
    assert "password" not in str(caught.value).split(":", 1)[1]


@pytest.fixture(name="databases")
def _databases(tmp_path: Path) -> Passwords:
    """Two Keystone databases; the source's user has two passwords, the newer one second."""
    urls = {}
    for cloud, id_ in (("source", "s1"), ("target", "t1")):
        urls[cloud] = f"sqlite:///{tmp_path / cloud}.db"
        run(urls[cloud], *TABLES, f"INSERT INTO local_user VALUES (7, '{id_}', 'd', 'ann')")
    add(urls["source"], "$2b$04$old", 1)
    add(urls["source"], SCRYPT, 2)
    return Passwords(
        mode="hashes",
        source_database=SecretStr(urls["source"]),
        target_database=SecretStr(urls["target"]),
    )


def run(url: str, *statements: str) -> None:
    """Carry statements out."""
    with create_engine(url).begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def add(url: str, hash_: str, at: int) -> None:
    """Give the user of a database a password."""
    run(url, f"INSERT INTO password VALUES ({at}, 7, '{hash_}', 1, 'then', {at}, NULL, NULL)")


def hashes(chosen: Passwords) -> list[Any]:
    """Return the hashes of the target."""
    engine = create_engine(chosen.target_database.get_secret_value())
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT password_hash FROM password")).scalars())


def test_the_newest_hash_is_copied_once(databases: Passwords) -> None:
    """A second run finds it and writes nothing."""
    assert copy_hashes(databases, [(user(), "t1")]) == {}
    assert copy_hashes(databases, [(user(), "t1")]) == {}
    assert hashes(databases) == [SCRYPT]


def test_who_has_a_password_keeps_it(databases: Passwords) -> None:
    """A user that was there before is another's."""
    add(databases.target_database.get_secret_value(), "$2b$04$own", 1)
    assert copy_hashes(databases, [(user(), "t1")]) == {}
    assert hashes(databases) == ["$2b$04$own"]


def test_a_hash_comes_after_an_empty_password(databases: Passwords) -> None:
    """The user may have been made with one; of several passwords Keystone takes the newest."""
    url = databases.target_database.get_secret_value()
    run(url, "INSERT INTO password VALUES (1, 7, NULL, 0, 'now', 5, 'now', 5)")
    assert copy_hashes(databases, [(user(), "t1")]) == {}
    assert copy_hashes(databases, [(user(), "t1")]) == {}
    with create_engine(url).connect() as connection:
        found = "SELECT password_hash, created_at, created_at_int, expires_at FROM password"
        rows = list(connection.execute(text(f"{found} ORDER BY created_at_int")))
    assert rows == [(None, "now", 5, "now"), (SCRYPT, "now", 6, None)]


def test_what_cannot_be_copied_is_said(databases: Passwords) -> None:
    """Unknown sorts of hashes, users without a password, and users of directories."""
    add(databases.source_database.get_secret_value(), "$6$sha512crypt", 3)
    assert "does not verify" in copy_hashes(databases, [(user(), "t1")])["users:s1"]
    assert "no password at the source" in copy_hashes(databases, [(user("s9"), "t1")])["users:s9"]
    run(
        databases.source_database.get_secret_value(),
        "DELETE FROM password WHERE id = 3",
    )
    assert "directory" in copy_hashes(databases, [(user(), "t9")])["users:s1"]
    assert hashes(databases) == []


def test_a_database_that_cannot_be_used_is_said_before(databases: Passwords) -> None:
    """Without its URL, which has a password."""
    assert problems(databases) == []
    broken = databases.model_copy(update={"target_database": SecretStr("sqlite:////no/such/x.db")})
    (said,) = problems(broken)
    assert said.startswith("passwords.target_database: it cannot be read")
    with pytest.raises(PasswordsFailed, match="No password was copied"):
        copy_hashes(broken, [(user(), "t1")])
    odd = databases.model_copy(update={"source_database": SecretStr("nodialect://u:secret@h/k")})
    assert "secret" not in str(problems(odd))


@pytest.mark.parametrize("mode", ["random", "none"])
def test_nothing_is_asked_of_databases_otherwise(mode: Any) -> None:
    """They may not be given."""
    assert problems(Passwords(mode=mode)) == []


def test_hashes_need_both_databases() -> None:
    """Said when the configuration is read, without its values."""
    with pytest.raises(ValidationError, match="needs source_database and target_database"):
        Passwords(mode="hashes", source_database=SecretStr("mysql+pymysql://u:secret@h/k"))
    with pytest.raises(ValidationError, match="a file or a command"):
        Passwords(file="")


def test_the_plan_says_what_becomes_of_a_password() -> None:
    """A loss, unless it stays as it is."""
    assert "goes to /x.csv" in loss(Passwords(file="/x.csv"))
    assert "the command /bin/tell" in loss(Passwords(command=["/bin/tell", "it"]))
    assert "none until one is set" in loss(Passwords(mode="none"))
    url = SecretStr("sqlite://")
    hashed = Passwords(mode="hashes", source_database=url, target_database=url)
    assert loss(hashed) == ""


@pytest.mark.parametrize(
    ("hash_", "is_it"),
    [("$2b$12$x", True), (SCRYPT, True), ("$pbkdf2-sha512$x", True), ("$6$x", False), ("", False)],
)
def test_which_hashes_a_keystone_verifies(hash_: str, is_it: bool) -> None:
    """Newer ones dropped what older ones wrote."""
    assert is_verified(hash_) is is_it


def test_a_command_that_hangs_is_given_up(
    made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch must not wait for ever for one delivery."""
    monkeypatch.setattr(passwords, "COMMAND_S", 0.2)
    with pytest.raises(PasswordsFailed, match="did not end within"):
        deliver(Passwords(command=[sys.executable, "-c", "import time; time.sleep(30)"]))
    assert made == []
