"""``virtscope completion``: what makes a shell complete commands, options and names."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    """The shells that are known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="Which shell.", show_choices=True)]) -> None:
    """Print what makes a shell complete commands and names.

    Names of domains, hosts, filters and contexts are completed as they are at that moment.
    bash: eval "$(virtscope completion bash)" in ~/.bashrc. zsh: the same in ~/.zshrc, below compinit.
    fish: virtscope completion fish > ~/.config/fish/completions/virtscope.fish

    Example: virtscope completion bash
    """
    from typer._completion_shared import get_completion_script

    from virtscope.cli import COMPLETE

    script = get_completion_script(prog_name="virtscope", complete_var=COMPLETE, shell=shell.value)
    typer.echo(script)
