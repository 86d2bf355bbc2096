"""``virtscope xml`` and ``virtscope dump-xml``: configurations as libvirt wrote them, now and then."""

from __future__ import annotations

import difflib
import os
import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console
from rich.text import Text

from virtscope.cli.output import harmless
from virtscope.cli.source import Item, Source
from virtscope.cli.times import shown
from virtscope.errors import BadInput, NotFound
from virtscope.text import plain

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def at(versions: Sequence[Item], moment: float) -> Item:
    """The version that was true at a time (Unix seconds).

    Raises:
        NotFound: the domain was not known, or not defined, then.
    """
    known = [version for version in versions if version["at"] <= moment]
    if not known:
        first = f"It is known since {shown(versions[0]['at'])}." if versions else "Nothing is known of it."
        raise NotFound(f"the domain's configuration of {shown(moment)} is not known", first)
    if not known[-1]["defined"]:
        raise NotFound(f"the domain was not defined at {shown(moment)}", f"Its host lost it {shown(known[-1]['at'])}.")
    return known[-1]


def before_last(versions: Sequence[Item]) -> tuple[Item, Item]:
    """The newest two versions that there are.

    Raises:
        NotFound: the configuration has never changed.
    """
    defined = [version for version in versions if version["defined"]]
    if len(defined) < 2:
        raise NotFound("the configuration has not changed since it is known", "'--at TIME' shows an older one.")
    return defined[-2], defined[-1]


def write(console: Console, xml: str) -> None:
    """The XML: byte for byte into a pipe or file, harmless on a terminal."""
    if console.is_terminal:
        for line in xml.splitlines():
            console.print(Text(plain(line)), soft_wrap=True)
    else:
        console.file.write(xml if xml.endswith("\n") else f"{xml}\n")


def write_difference(console: Console, old: Item, new: Item, field: str) -> None:
    """What has changed between two versions, as ``diff -u`` shows it, below a summary in words."""
    for change in new["changes"]:
        console.print(Text(f"# {plain(change)}", "dim"), soft_wrap=True)
    lines = difflib.unified_diff(
        (old[field] or "").splitlines(),
        (new[field] or "").splitlines(),
        f"{shown(old['at'])} on {old['host_name']}",
        f"{shown(new['at'])} on {new['host_name']}",
        lineterm="",
    )
    for line in lines:
        console.print(Text(plain(line), _STYLES.get(line[:1], "")), soft_wrap=True)


def dump(source: Source, folder: Path, progress: Callable[[Iterable[Item]], Iterable[Item]]) -> int:
    """Write every domain's XML into a folder, as ``UUID.xml``; how many. ``index.csv`` tells the names.

    A domain's name is its tenant's and never part of a path. Files are written anew (0600) and put in place whole; a
    link that lies in the way is replaced, not followed.

    Raises:
        BadInput: the folder cannot be written into.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        within = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise BadInput(f"cannot write into {folder}: {error.strerror}", "Choose another folder with --dir.") from None
    try:
        rows = ["uuid,name,host"]
        for item in progress(source.items("domains")):
            domain = source.domain(item["id"])
            name = str(uuid.UUID(domain["id"]))
            _put(within, f"{name}.xml", domain["xml"])
            cells = (harmless(cell).replace('"', '""') for cell in (domain["name"], domain["host_name"]))
            rows.append(",".join((name, *(f'"{cell}"' for cell in cells))))
        _put(within, "index.csv", "\n".join(rows))
    except OSError as error:
        raise BadInput(f"cannot write into {folder}: {error.strerror}", "Choose another folder with --dir.") from None
    finally:
        os.close(within)
    return len(rows) - 1


def _put(folder: int, name: str, text: str) -> None:
    temporary = f".{name}.{os.getpid()}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(temporary, flags, 0o600, dir_fd=folder), "w", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        raise
