"""
Keep inventories: Parquet and a manifest, on any file system that fsspec knows.

Below a site's storage URL::

    inventories/<site>/latest-<role>.json        which inventory is the newest
    inventories/<site>/<name>/<role>/inventory.json
    inventories/<site>/<name>/<role>/<kind>.parquet
"""

import io
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import fsspec
import pandas as pd
from fsspec.implementations.local import LocalFileSystem
from pydantic import BaseModel, ConfigDict, Field

from pumphouse.errors import ConfigError
from pumphouse.inventory import Inventory
from pumphouse.models import Role
from pumphouse.schemas import SCHEMAS

MANIFEST = "inventory.json"
INVENTORY_NAME = re.compile(r"\d{8}T\d{6}Z-.+")
"""As `named` makes them."""


class StoredTable(BaseModel):
    """One table of one cloud: read and stored, or why not."""

    model_config = ConfigDict(frozen=True)

    role: Role
    kind: str
    rows: int = 0
    calls: int = 0
    seconds: float = 0
    read_at: datetime
    note: str = ""
    failure: str = ""
    is_reused: bool = False


class Manifest(BaseModel):
    """What one cloud's folder holds. *cloud* tells apart two clouds of one name."""

    model_config = ConfigDict(frozen=True)

    site: str
    role: Role
    cloud: str
    made_at: datetime
    tables: dict[str, StoredTable] = Field(default_factory=dict)


class Folder:
    """
    A folder below an fsspec URL. Writes appear whole or not at all.

    Raises:
        ConfigError: Nothing here can open such a URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        local = str(Path(self.url).expanduser()) if "://" not in self.url else self.url
        try:
            self.fs, self.path = fsspec.core.url_to_fs(local)  # type: ignore[no-untyped-call]
        except (ImportError, TypeError, ValueError) as error:
            problem = (
                f"Nothing here can open it: {str(error).rstrip('.')}. A plan, and storage.url of "
                "config.yaml, may be a path of this machine, or a URL for which fsspec has what "
                "it needs, for example s3://bucket/folder with s3fs installed."
            )
            raise ConfigError(self.url, [problem]) from None
        self.is_local = isinstance(self.fs, LocalFileSystem)

    def __truediv__(self, name: str) -> "Folder":
        return Folder(f"{self.url}/{name}")

    @property
    def name(self) -> str:
        """Its last part."""
        return self.url.rpartition("/")[2]

    @property
    def location(self) -> str:
        """Where it is, as a person or a browser finds it: a full path or a URL."""
        return self.path if self.is_local else self.url

    def require_writable(self) -> None:
        """
        Look before anything is done; an object store tells only at the first write.

        Raises:
            ConfigError: It cannot be written: a folder on its way is a file, for example.
        """
        try:
            self.fs.makedirs(self.path, exist_ok=True)
            if self.is_local:
                TemporaryDirectory(dir=self.path).cleanup()
        except OSError as error:
            reason = error.strerror or type(error).__name__
            wanted = "storage.url of config.yaml must be a folder that we may write"
            problem = f"It cannot be written: {reason}; {wanted}."
            raise ConfigError(self.location, [problem]) from error

    def write(self, name: str, content: bytes) -> str:
        """
        Store *content* as *name* and return its location.

        A local file is renamed into place; an object store shows an object when it is whole.
        """
        path = f"{self.path}/{name}"
        self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        if not self.is_local:
            self.fs.pipe_file(path, content)
            return f"{self.url}/{name}"
        partial = f"{path}.{uuid.uuid4().hex}.part"
        try:
            self.fs.pipe_file(partial, content)
            Path(partial).replace(path)
        finally:
            Path(partial).unlink(missing_ok=True)
        return path

    def read(self, name: str) -> bytes:
        """
        Return the content of *name*. FileNotFoundError when it is not there.

        Raises:
            ConfigError: It can never be read: a folder on its way is a file, for example.
        """
        with _reading(f"{self.location}/{name}"):
            content: bytes = self.fs.cat_file(f"{self.path}/{name}")
        return content

    def names(self) -> list[str]:
        """Return the names of what is in it; none when it does not exist. See `read`."""
        try:
            with _reading(self.location):
                paths = self.fs.ls(self.path, detail=False)
        except FileNotFoundError:
            return []
        return sorted(path.rpartition("/")[2] for path in paths)


@contextmanager
def _reading(location: str) -> Iterator[None]:
    """Tell as wrong input what no second attempt would read; other failures stay what they are."""
    try:
        yield
    except (NotADirectoryError, IsADirectoryError, PermissionError) as error:
        reason = error.strerror or type(error).__name__
        wanted = "storage.url of config.yaml must be a folder, and a plan a file, that we may read"
        raise ConfigError(location, [f"It cannot be read: {reason}; {wanted}."]) from error


def write_table(folder: Folder, kind: str, table: pd.DataFrame) -> str:
    """Store *table* as Parquet and return its location."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return folder.write(f"{kind}.parquet", buffer.getvalue())


def read_table(
    folder: Folder, kind: str, columns: Iterable[str] | None = None
) -> pd.DataFrame | None:
    """Return the stored table *kind*, or only its *columns*; None when it is not there."""
    try:
        content = folder.read(f"{kind}.parquet")
    except FileNotFoundError:
        return None
    return pd.read_parquet(io.BytesIO(content), columns=list(columns) if columns else None)


def write_manifest(folder: Folder, manifest: Manifest) -> str:
    """Store *manifest* beside its tables and return its location."""
    return folder.write(MANIFEST, manifest.model_dump_json(indent=1).encode())


def read_manifest(folder: Folder) -> Manifest | None:
    """Return the manifest of a cloud's folder; None when there is none."""
    try:
        return Manifest.model_validate_json(folder.read(MANIFEST))
    except FileNotFoundError:
        return None


def inventories(storage_url: str, site: str) -> Folder:
    """Return the folder that holds the inventories of *site*."""
    return Folder(storage_url) / "inventories" / site


def point(site_folder: Folder, role: Role, name: str) -> None:
    """Make the inventory *name* the newest one of *role*."""
    site_folder.write(f"latest-{role.value}.json", json.dumps({"name": name}).encode())


def latest_folder(site_folder: Folder, role: Role) -> Folder | None:
    """Return the folder of the newest inventory of *role*; None before the first."""
    try:
        name: str = json.loads(site_folder.read(f"latest-{role.value}.json"))["name"]
    except FileNotFoundError:
        return None
    return site_folder / name / role.value


def load(
    folder: Folder,
    kinds: Iterable[str] = tuple(SCHEMAS),
    columns: Mapping[str, Iterable[str]] | None = None,
) -> Inventory:
    """
    Return the inventory in *folder*, or only the tables *kinds* of it.

    *columns* names, by kind, the only ones to read: of ten thousand servers that is a
    tenth of the memory.

    Raises:
        ConfigError: There is none.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise ConfigError(folder.location, ["There is no inventory here; run discover first."])
    stored = {kind: manifest.tables[kind] for kind in kinds if kind in manifest.tables}
    found: dict[str, pd.DataFrame] = {}
    failures = {kind: table.failure for kind, table in stored.items() if table.failure}
    for kind in stored.keys() - failures.keys():
        table = read_table(folder, kind, (columns or {}).get(kind))
        if table is None:
            failures[kind] = f"{folder.location}/{kind}.parquet is gone."
        else:
            found[kind] = table
    return Inventory(
        role=manifest.role,
        tables=found,
        notes={kind: table.note for kind, table in stored.items() if table.note},
        failures=failures,
        read_at=min((table.read_at for table in stored.values()), default=manifest.made_at),
        location=folder.location,
    )


def latest(
    storage_url: str, site: str, role: Role, kinds: Iterable[str] = tuple(SCHEMAS)
) -> Inventory:
    """
    Return the newest inventory of *role* at *site*, or only the tables *kinds* of it.

    Raises:
        ConfigError: There is none yet.
    """
    site_folder = inventories(storage_url, site)
    folder = latest_folder(site_folder, role)
    if folder is None:
        hint = f"There is no inventory of the {role.value} yet; run pumphouse discover."
        raise ConfigError(site_folder.location, [hint])
    return load(folder, kinds)


def manifests(storage_url: str, site: str) -> list[tuple[str, Manifest]]:
    """Return name and manifest of every stored inventory of *site*, oldest first."""
    site_folder = inventories(storage_url, site)
    found = []
    for name in site_folder.names():
        for role in Role if not name.endswith(".json") else ():
            manifest = read_manifest(site_folder / name / role.value)
            if manifest is not None:
                found.append((name, manifest))
    return found


def prune(site_folder: Folder, keep: int) -> list[str]:
    """
    Delete all but the newest *keep* inventories of a site; return the names of those deleted.

    The newest one of each cloud stays however old it is. Nothing else in the folder is touched.
    """
    newest = [latest_folder(site_folder, role) for role in Role]
    needed = {folder.url.rsplit("/", 2)[1] for folder in newest if folder}
    found = [name for name in site_folder.names() if INVENTORY_NAME.fullmatch(name)]
    old = [name for name in found[: max(0, len(found) - keep)] if name not in needed]
    for name in old:
        site_folder.fs.rm(f"{site_folder.path}/{name}", recursive=True)
    return old


def reusable(
    site_folder: Folder, role: Role, cloud: str, max_age: timedelta, now: datetime
) -> list[tuple[Folder, StoredTable]]:
    """
    Return the newest inventory's tables that were read within *max_age*, and their folder.

    None of another *cloud* that had the same name and role before.
    """
    folder = latest_folder(site_folder, role) if max_age else None
    manifest = read_manifest(folder) if folder else None
    if folder is None or manifest is None or manifest.cloud != cloud:
        return []
    return [
        (folder, table)
        for table in manifest.tables.values()
        if not table.failure and now - table.read_at <= max_age
    ]


def reuse(source: Folder, table: StoredTable, target: Folder) -> StoredTable:
    """Copy a stored table into *target*; its age stays that of its reading."""
    target.write(f"{table.kind}.parquet", source.read(f"{table.kind}.parquet"))
    return table.model_copy(update={"is_reused": True, "calls": 0, "seconds": 0.0})


def utc_now() -> datetime:
    """Return the time, in UTC. Tasks and flows may look at the clock; the core may not."""
    return datetime.now(UTC)


def named(started: datetime, run_name: str) -> str:
    """Return the name of an inventory: sortable by time, and saying which run made it."""
    return f"{started:%Y%m%dT%H%M%SZ}-{run_name}"
