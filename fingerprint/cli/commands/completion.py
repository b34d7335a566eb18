"""The command `completion`: set up completion of commands and options in a shell."""

from __future__ import annotations

import click

LINES = {
    "bash": 'eval "$(_FINGERPRINT_COMPLETE=bash_source fingerprint)"',
    "zsh": 'eval "$(_FINGERPRINT_COMPLETE=zsh_source fingerprint)"',
    "fish": "_FINGERPRINT_COMPLETE=fish_source fingerprint | source",
}
"""The line of a shell's start-up file that turns completion on; click answers it."""


@click.command()
@click.argument("shell", type=click.Choice(list(LINES)))
def completion(shell: str) -> None:
    """Print the line that turns on completion in SHELL.

    \b
    Example:
      fingerprint completion bash >> ~/.bashrc
      fingerprint completion zsh >> ~/.zshrc
      fingerprint completion fish >> ~/.config/fish/config.fish

    The output is one line for the shell's start-up file; a new shell then completes commands and options.
    """
    click.echo(LINES[shell])


COMMANDS = (completion,)
