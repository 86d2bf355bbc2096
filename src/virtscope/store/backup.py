"""Backups: a data folder as it was at one moment, with a list of its files and their checksums.

A backup is a tar, or a folder of the same content: ``backup.json`` first, then ``hot.duckdb`` as of one transaction,
the archive's files that it lists, and what lies beside the store (users and tokens, the authority's keys): keep it as
secret as the data folder. It is made while everything goes on. A store that is restored has another id: agents that
hear it send again what it may not have.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import sqlite3
import tarfile
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import duckdb
import msgspec

from virtscope import __version__
from virtscope.errors import BadInput, StoreError
from virtscope.store.database import Database, unfinished
from virtscope.store.files import Files, checksum
from virtscope.store.migrations import FORMAT

MANIFEST = "backup.json"
REGISTRY = "access.sqlite"
KEYS = "pki"
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Kept:
    """A file of a backup."""

    path: str
    bytes: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds."""

    made: float
    version: str
    format: int
    files: tuple[Kept, ...]


def stream(database: Database, files: Files) -> Iterator[bytes]:
    """A backup as the bytes of a tar."""
    with _gathered(database, files) as (manifest, places):
        yield from _tarred(MANIFEST, io.BytesIO(msgspec.json.encode(manifest)))
        for kept in manifest.files:
            with places[kept.path].open("rb") as content:
                yield from _tarred(kept.path, content)
        yield bytes(2 * tarfile.BLOCKSIZE)


def receive(pieces: Iterable[bytes], target: Path) -> Manifest:
    """Write a backup's bytes to a file (``….tar``) or a new folder, and verify it there.

    Raises:
        BadInput: there is something already.
        StoreError: it did not come whole, or cannot be written.
    """
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise BadInput(f"{target} is there already", "Name another file or folder.")
    part = target.with_name(f"{target.name}.part")
    try:
        if target.suffix == ".tar":
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as written:
                written.writelines(pieces)
                written.flush()
                os.fsync(written.fileno())
        else:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(mode=0o700, parents=True)
            with _Reading(iter(pieces)) as content:
                _unpack(content, part)
        manifest = verify(part)
        part.replace(target)
    except (OSError, tarfile.TarError) as error:
        raise StoreError(f"cannot write the backup {target}: {error}", "Is there room?") from None
    finally:
        _remove(part)
    return manifest


def verify(source: Path) -> Manifest:
    """Read a backup to its end.

    Raises:
        StoreError: it is none, not whole, or damaged.
    """
    found: dict[str, str] = {}
    manifest = b""
    try:
        if source.is_dir():
            manifest = (source / MANIFEST).read_bytes()
            found = {str(path.relative_to(source)): checksum(path) for path in source.rglob("*") if path.is_file()}
        else:
            with tarfile.open(source, "r|") as packed:
                for entry in packed:
                    content = packed.extractfile(entry)
                    if content is None:
                        continue  # a folder
                    if entry.name == MANIFEST:
                        manifest = content.read()
                    else:
                        found[entry.name] = hashlib.file_digest(content, "sha256").hexdigest()  # type: ignore[arg-type]
        known = msgspec.json.decode(manifest, type=Manifest)
    except (OSError, tarfile.TarError, msgspec.DecodeError) as error:
        raise StoreError(f"{source} is no backup, or not whole: {error}", "Take another.") from None
    for kept in known.files:
        if found.get(kept.path) != kept.checksum:
            raise StoreError(f"the backup {source} is damaged: {kept.path} is not what it was", "Take another.")
    return known


def restore(source: Path, folder: Path) -> Manifest:
    """Make a data folder out of a backup. No server may use it, and it may hold no store yet.

    Raises:
        BadInput: there is a store already.
        StoreError: the backup is damaged, or of a newer version, or cannot be written there.
    """
    if (folder / "hot.duckdb").exists() or any((folder / "archive").glob("*/*/*")):
        raise BadInput(f"there is a store in {folder} already", "Move it away, or name another folder with --data.")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with unfinished(folder) as name:
            unpacked = Path(name)
            if source.is_dir():
                shutil.copytree(source, unpacked, dirs_exist_ok=True)
            else:
                with source.open("rb") as content:
                    _unpack(content, unpacked)
            manifest = verify(unpacked)
            if manifest.format > FORMAT:
                raise StoreError(f"the backup {source} is of a newer virtscope ({manifest.version})", "Upgrade first.")
            with duckdb.connect(str(unpacked / "hot.duckdb")) as connection:
                connection.execute("UPDATE meta SET value = ? WHERE name = 'store'", [str(uuid.uuid4())])
            (unpacked / MANIFEST).unlink()
            _own(unpacked, folder)
            # The hot file last: where it is, the rest is.
            for path in sorted(unpacked.iterdir(), key=lambda one: one.name == "hot.duckdb"):
                _put(path, folder / path.name)
    except OSError as error:
        raise StoreError(
            f"cannot restore {source} into {folder}: {error}", "Is there room, and may it be written?"
        ) from None
    return manifest


@contextmanager
def _gathered(database: Database, files: Files) -> Iterator[tuple[Manifest, dict[str, Path]]]:
    """What a backup holds now, and where it lies as long as the block lasts."""
    folder = database.folder
    with files.pinned(), unfinished(folder) as name:
        copies = Path(name)
        database.copy_to(copies / "hot.duckdb")
        places = {"hot.duckdb": copies / "hot.duckdb"}
        if (folder / REGISTRY).exists():
            with (
                contextlib.closing(sqlite3.connect(folder / REGISTRY)) as there,
                contextlib.closing(sqlite3.connect(copies / REGISTRY)) as copy,
            ):
                there.backup(copy)
            places[REGISTRY] = copies / REGISTRY
        places |= {str(path.relative_to(folder)): path for path in sorted((folder / KEYS).rglob("*")) if path.is_file()}
        kept = [Kept(path, place.stat().st_size, checksum(place)) for path, place in places.items()]
        with duckdb.connect(str(copies / "hot.duckdb"), read_only=True) as copied:
            listed = copied.execute("SELECT path, bytes, checksum FROM archive ORDER BY path").fetchall()
        for path, size, known in listed:
            places[path] = folder / path
            kept.append(Kept(path, size or places[path].stat().st_size, known or checksum(places[path])))
        yield Manifest(time.time(), __version__, FORMAT, tuple(kept)), places


def _tarred(name: str, content: IO[bytes]) -> Iterator[bytes]:
    """A file within a tar."""
    size = content.seek(0, io.SEEK_END)
    content.seek(0)
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(time.time())
    yield entry.tobuf(tarfile.PAX_FORMAT)
    while chunk := content.read(_CHUNK):
        yield chunk
    yield bytes(-size % tarfile.BLOCKSIZE)


def _unpack(content: io.RawIOBase | IO[bytes], folder: Path) -> None:
    try:
        with tarfile.open(fileobj=content, mode="r|") as packed:
            packed.extractall(folder, filter="data")
    except tarfile.TarError as error:
        raise StoreError(f"the backup is damaged, or did not come whole: {error}", "Take another.") from None


def _own(unpacked: Path, folder: Path) -> None:
    """Give what root restores to whom the folder belongs."""
    owner = folder.stat()
    if os.geteuid() == 0:
        for path in (unpacked, *unpacked.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)


def _put(path: Path, target: Path) -> None:
    if target.is_dir():
        for inner in path.iterdir():
            _put(inner, target / inner.name)
    else:
        path.replace(target)


class _Reading(io.RawIOBase):
    """Pieces of bytes, read as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            if (piece := next(self._pieces, None)) is None:
                return 0
            self._rest = piece
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
