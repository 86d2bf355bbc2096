"""The commands about people: signing in, users, API tokens."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any, Literal, Optional
from urllib.parse import quote

import typer

from virtscope.cli.arguments import Address
from virtscope.cli.asked import Asked, lists
from virtscope.cli.saying import say
from virtscope.errors import BadInput, NotFound

Role = Literal["viewer", "operator", "admin"]
Projects = Annotated[
    Optional[list[str]],  # noqa: UP045  # typer reads it at run time
    typer.Option("--project", metavar="PROJECT", help="Only domains of this project, by id or name; repeatable."),
]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
User = Annotated[str, typer.Argument(help="The user's name.")]

users = typer.Typer(help="Users of a server: who may sign in, and what they may.", no_args_is_help=True)
api_tokens = typer.Typer(help="API tokens: what programs show a server instead of a password.", no_args_is_help=True)


def login(
    server: Address = "",
    ca: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE", help="Certificates (PEM) that the server's is verified with."),
    ] = None,
    user: Annotated[str, typer.Option("--user", "-u", help="Sign in as. [default: it is asked for]")] = "",
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read an API token from standard input.")] = False,
) -> None:
    """Sign in to a server: from then on the commands show it an API token of yours.

    Example: virtscope login --server https://virtscope.example.org --user alice
    """
    from virtscope.cli import sign_in

    certificates = str(ca.absolute()) if ca else None
    if token_stdin:
        say(sign_in.with_token(server, sys.stdin.readline().strip(), certificates))
    else:
        name = user or typer.prompt("User", err=True)
        say(sign_in.with_password(server, name, _secret("Password"), certificates))


def logout(server: Address = "") -> None:
    """Sign out of a server: the token that 'virtscope login' made is revoked, and forgotten.

    Example: virtscope logout
    """
    from virtscope.cli import sign_in

    say(sign_in.out(server))


@users.command("list")
@lists
def list_users(
    asked: Asked,
    server: Address = "",
) -> None:
    """Everybody who may sign in.

    Example: virtscope users list -l role:admin
    """
    from virtscope.cli import columns, listing
    from virtscope.cli.source import Server

    listing.write(lambda: Server(server).get("users")["users"], columns.USERS, asked)


@users.command("add")
def add_user(
    name: User,
    role: Annotated[Role, typer.Option(help="What he may.")] = "viewer",
    project: Projects = None,
    password_stdin: PasswordStdin = False,
    server: Address = "",
) -> None:
    """Add a user.

    Example: virtscope users add alice --role operator
    """
    from virtscope.cli.source import Server

    asked = Server(server)
    new = {"name": name, "role": role, "projects": project or None, "password": _new_password(password_stdin)}
    asked.send("POST", "users", new)
    say(f"{name} may sign in as {role}")


@users.command("set")
def set_user(
    name: User,
    role: Annotated[Optional[Role], typer.Option(help="What he may.")] = None,  # noqa: UP045
    project: Projects = None,
    all_projects: Annotated[bool, typer.Option("--all-projects", help="Limit him to no projects any more.")] = False,
    server: Address = "",
) -> None:
    """Change a user's role or projects. He has to sign in again.

    Example: virtscope users set alice --role admin
    """
    from virtscope.cli.source import Server

    if role is None and not project and not all_projects:
        raise BadInput("nothing to change", "Give --role, --project or --all-projects.")
    wanted: dict[str, Any] = {"everything": all_projects}
    wanted |= {"role": role} if role else {}
    wanted |= {"projects": project} if project else {}
    Server(server).send("PATCH", f"users/{quote(name, safe='')}", wanted)
    say(f"{name} is changed, and has to sign in again")


@users.command("remove")
def remove_user(name: User, server: Address = "") -> None:
    """Remove a user, with his sessions and API tokens.

    Example: virtscope users remove alice
    """
    from virtscope.cli.source import Server

    Server(server).send("DELETE", f"users/{quote(name, safe='')}")
    say(f"{name} may no longer sign in")


@users.command("passwd")
def change_password(
    name: Annotated[str, typer.Argument(help="Whose. [default: your own]", show_default=False)] = "",
    password_stdin: PasswordStdin = False,
    server: Address = "",
) -> None:
    """Change a password: your own, or as an admin anybody's.

    Example: virtscope users passwd
    """
    from virtscope.cli.source import Server

    asked = Server(server)
    if name:
        new = {"password": _new_password(password_stdin)}
        asked.send("PATCH", f"users/{quote(name, safe='')}", new)
    else:
        current = sys.stdin.readline().rstrip("\n") if password_stdin else _secret("Current password")
        asked.send("PUT", "session/password", {"current": current, "new": _new_password(password_stdin)})
    say("The password is changed.")


@api_tokens.command("list")
@lists
def list_tokens(
    asked: Asked,
    server: Address = "",
) -> None:
    """Your API tokens; an admin's list has everybody's.

    Example: virtscope api-tokens list --sort-by expires
    """
    from virtscope.cli import columns, listing
    from virtscope.cli.source import Server

    listing.write(lambda: Server(server).get("tokens")["tokens"], columns.API_TOKENS, asked)


@api_tokens.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    role: Annotated[Role, typer.Option(help="What it may: not more than you.")] = "viewer",
    project: Projects = None,
    days: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0.001, max=3_650, help="Days until it expires. [default: it does not]"),
    ] = None,
    server: Address = "",
) -> None:
    """Make an API token. It is written once, to standard output, and cannot be shown again.

    Example: virtscope api-tokens create backup --days 30
    """
    from virtscope.cli.source import Server

    expires = None if days is None else time.time() + days * 86_400
    new = {"name": name, "role": role, "projects": project or None, "expires": expires}
    made = Server(server).send("POST", "tokens", new)
    typer.echo(made["token"])


@api_tokens.command("revoke")
def revoke_token(token: Annotated[str, typer.Argument(help="Its id or name.")], server: Address = "") -> None:
    """Revoke an API token.

    Example: virtscope api-tokens revoke backup
    """
    from virtscope.cli.source import Server

    asked = Server(server)
    found = [one for one in asked.get("tokens")["tokens"] if token in (str(one["id"]), one["name"])]
    if len(found) != 1:
        problem = f"no API token {token!r}" if not found else f"{len(found)} API tokens are named {token!r}"
        raise NotFound(problem, "'virtscope api-tokens list' shows their ids.")
    asked.send("DELETE", f"tokens/{found[0]['id']}")
    say(f"{found[0]['name']} is revoked")


def _new_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    password = _secret("New password")
    if _secret("The same again") != password:
        raise BadInput("these were two passwords", "Type the same one twice.")
    return password


def _secret(what: str) -> str:
    if not sys.stdin.isatty():
        raise BadInput("a password is asked for on a terminal only", "Programs use --password-stdin or --token-stdin.")
    found: str = typer.prompt(what, hide_input=True, err=True)
    return found
