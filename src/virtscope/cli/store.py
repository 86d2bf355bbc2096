"""``virtscope store``, ``backup`` and ``restore``: through a server, or in a data folder that none uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from virtscope import text
from virtscope.cli.arguments import Address, Output
from virtscope.cli.asked import Asked, lists
from virtscope.cli.formats import Format
from virtscope.cli.saying import say
from virtscope.cli.source import Server
from virtscope.errors import StoreError

if TYPE_CHECKING:
    from virtscope.store.archive import Archive

stores = typer.Typer(help="The store of a server: what it holds, and whether it can be read.", no_args_is_help=True)
Offline = Annotated[
    Optional[Path],  # noqa: UP045  # typer reads it at run time
    typer.Option("--data", metavar="DIR", help="This data folder, which no server uses, instead of asking a server."),
]


@stores.command("show")
@lists
def show(asked: Asked, server: Address = "") -> None:
    """What the store holds of each level, from when to when, and how large that is.

    Example: virtscope store show
    """
    from virtscope.cli import columns, listing

    listing.write(lambda: Server(server).get("health")["store"], columns.STORE, asked)


@stores.command("check")
def check(
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Put away what is damaged, and make again what can be made of other files."),
    ] = False,
    data: Offline = None,
    server: Address = "",
    output: Output = Format.TABLE,
) -> None:
    """Read every file of the archive, and tell which are not what was written. Ends with status 6 if there are any.

    Example: virtscope store check --repair
    """
    from virtscope.cli import columns
    from virtscope.cli import output as out

    found = _checked(data, repair) if data else Server(server).patiently("POST", "store/check", {"repair": repair})
    told = f"{found['files']} files with {text.size(found['bytes'])} are"
    if not found["flaws"]:
        say(f"{told} what was written")
        return
    out.write(out.console(output), found["flaws"], columns.FLAWS, output)
    if not repair:
        raise StoreError(
            f"{len(found['flaws'])} of {found['files']} files are damaged", "'virtscope store check --repair' mends."
        )


def backup(
    target: Annotated[Path, typer.Argument(metavar="FILE.tar|DIR", help="Where it goes: a new file, or a new folder.")],
    data: Offline = None,
    server: Address = "",
) -> None:
    """Back up the whole store, with users and keys, while the server goes on. Keep it as secret as the data folder.

    Example: virtscope backup /backup/virtscope.tar
    """
    from virtscope.store.backup import receive

    if data:
        with _opened(data) as archive:
            manifest = receive(archive.backup(), target)
    else:
        with Server(server).streamed("backup") as content:
            manifest = receive(content.stream(1 << 20), target)
    size = sum(kept.bytes for kept in manifest.files)
    say(f"{len(manifest.files)} files with {text.size(size)} are in {target}, and verified")


def restore(
    source: Annotated[Path, typer.Argument(metavar="FILE.tar|DIR", help="The backup.", exists=True)],
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="The data folder to make; it holds no store yet.")
    ],
) -> None:
    """Make a data folder out of a backup. The server that is to use it must not run yet.

    Example: virtscope restore /backup/virtscope.tar --data /var/lib/virtscope
    """
    from virtscope.store.backup import restore as restored

    manifest = restored(source, data)
    say(f"{len(manifest.files)} files of virtscope {manifest.version} are restored into {data}")


def _checked(data: Path, repair: bool) -> dict[str, Any]:
    """The same answer as a server gives."""
    with _opened(data) as archive:
        found = archive.check()
        return {
            "files": found.files,
            "bytes": found.bytes,
            "flaws": [
                {
                    "path": flaw.path,
                    "scope": flaw.scope.value,
                    "level": flaw.level.value,
                    "start": flaw.start / 1000,
                    "reason": flaw.reason,
                    "outcome": archive.mend(flaw) if repair else None,
                }
                for flaw in found.flaws
            ],
        }


@contextmanager
def _opened(data: Path) -> Iterator[Archive]:
    from virtscope.store.archive import Archive
    from virtscope.store.database import Database
    from virtscope.store.levels import Retention

    if not (data / "hot.duckdb").exists():
        raise StoreError(f"there is no store in {data}", "Name the data folder of a server.")
    database = Database(data)
    try:
        yield Archive(database, Retention())
    finally:
        database.close()
