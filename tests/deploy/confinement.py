"""Runs a program as systemd would run a unit's, as far as that goes without systemd.

``python -m tests.deploy.confinement UNIT STATE PROGRAM…``, as root: the unit's user, in a user namespace of its own and
without any capability; a system that is read-only but for the folder STATE; no memory that is written and run; and the
filter of system calls, put together by the same library (libseccomp) out of the same groups
(``systemd-analyze syscall-filter``).
"""

from __future__ import annotations

import ctypes
import errno
import os
import pwd
import re
import subprocess
import sys
from pathlib import Path

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_PR_SET_MDWE, _MDWE_REFUSE_EXEC_GAIN = 65, 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
LIBC = ctypes.CDLL(None, use_errno=True)


def settings(unit: Path) -> dict[str, list[str]]:
    """A unit's assignments, in their order."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


def groups() -> dict[str, set[str]]:
    """The groups of system calls that systemd knows."""
    text = subprocess.run(["systemd-analyze", "syscall-filter"], capture_output=True, text=True, check=True).stdout
    found: dict[str, set[str]] = {}
    members: set[str] = set()
    for line in text.splitlines():
        word = line.strip()
        if line.startswith("@"):
            members = found.setdefault(word, set())
        elif word and not word.startswith(("#", "[")):
            members.add(word)
    return found


def allowed_calls(filters: list[str]) -> set[str]:
    """The system calls that lines of ``SystemCallFilter`` leave: what one line allows, a later one may take away."""
    known = groups()

    def whole(word: str) -> set[str]:
        return set().union(*map(whole, known[word])) if word.startswith("@") else {word}

    calls: set[str] = set()
    for line in filters:
        words = set().union(*map(whole, line.removeprefix("~").split()))
        calls = calls - words if line.startswith("~") else calls | words
    return calls


def filter_calls(names: set[str]) -> None:
    """Refuse every other system call from now on, with EPERM."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(_ERRNO | errno.EPERM))
    for name in names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # else another architecture's
            assert library.seccomp_rule_add(context, _ALLOW, number, 0) == 0, name
    assert library.seccomp_load(context) == 0


def call(name: str, *arguments: object) -> None:
    """A function of the C library that answers 0 where it worked."""
    if getattr(LIBC, name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def read_only_but(folder: str) -> None:
    """A mount namespace in which only this folder can be written."""
    call("unshare", _CLONE_NEWNS)
    call("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)
    place = os.fsencode(folder)
    call("mount", place, place, None, _MS_BIND | _MS_REC, None)
    call("mount", None, b"/", None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY, None)


def private_users(uid: int, gid: int) -> None:
    """A user namespace that knows root and one user, as ``PrivateUsers=yes`` makes it."""
    reader, writer = os.pipe()
    if (helper := os.fork()) == 0:  # it stays outside, where the maps can be written from
        os.read(reader, 1)
        for name, identity in (("uid_map", uid), ("gid_map", gid)):
            Path(f"/proc/{os.getppid()}/{name}").write_text(f"0 0 1\n{identity} {identity} 1\n")
        os._exit(0)
    call("unshare", _CLONE_NEWUSER)
    os.write(writer, b".")
    _, status = os.waitpid(helper, 0)
    assert status == 0, "the maps could not be written"


def main(unit: str, state: str, *command: str) -> None:
    """Confine this process, and become the program."""
    wanted = settings(Path(unit))
    user = pwd.getpwnam(wanted["User"][-1])
    calls = allowed_calls(wanted["SystemCallFilter"])
    read_only_but(state)
    os.initgroups(user.pw_name, user.pw_gid)
    if wanted["PrivateUsers"][-1] == "yes":
        private_users(user.pw_uid, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if wanted["MemoryDenyWriteExecute"][-1] == "yes":
        call("prctl", _PR_SET_MDWE, _MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)
    os.umask(int(wanted["UMask"][-1], 8))
    filter_calls(calls)
    os.execvp(command[0], list(command))


if __name__ == "__main__":
    main(*sys.argv[1:])
