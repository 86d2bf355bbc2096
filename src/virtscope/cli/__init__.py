"""The command line. Only this package prints, and only it ends the process."""

from __future__ import annotations

import os
import sys

from virtscope.errors import VirtscopeError

COMPLETE = "_VIRTSCOPE_COMPLETE"
"""The variable by which a shell asks what may come next."""


def main() -> None:
    """Run the command that the arguments name; an error is a sentence and an exit status, never a traceback."""
    from virtscope.cli.commands import app

    if COMPLETE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
    try:
        status = app(standalone_mode=False, prog_name="virtscope") or 0
    except VirtscopeError as error:
        status = _failed(str(error), error.hint, error.exit_status)
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; what is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except Exception as error:  # noqa: BLE001
        # The parser's own errors have no common, public ancestor; whatever else arrives here is raised again.
        status = _misused(error)
    sys.stdout.flush()
    sys.stderr.flush()
    # A libvirt call that hangs keeps its thread: the process does not wait for it.
    os._exit(status)


def _misused(error: Exception) -> int:
    """What the command line's own parser refuses; anything else is our fault and stays a traceback."""
    if type(error).__name__ == "Abort":
        return 130
    shown = getattr(error, "format_message", None)
    if shown is None:
        raise error
    if type(error).__name__ == "NoArgsIsHelpError":
        print(shown(), file=sys.stderr)  # noqa: T201  # the help of a group that was called by itself
        return 2
    context = getattr(error, "ctx", None)
    usage = context.get_usage() if context else ""
    more = f"{usage}\n'{context.command_path} --help' tells more." if context else ""
    return _failed(f"{shown()}", more, 2)


def _failed(message: str, hint: str, status: int) -> int:
    from virtscope.text import plain

    bold, dim, off = ("\x1b[1;31m", "\x1b[2m", "\x1b[0m") if sys.stderr.isatty() else ("", "", "")
    print(f"{bold}virtscope: {off}{plain(message)}", file=sys.stderr)  # noqa: T201
    for line in hint.splitlines():
        print(f"{dim}  {plain(line)}{off}", file=sys.stderr)  # noqa: T201
    return status
