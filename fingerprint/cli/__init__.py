"""The command line: arguments in, one call of a job or the store, and what came of it printed.

`main` puts the commands together, `commands` has one command a file, `output` prints. `--help` must stay quick:
nothing heavy is imported before a command runs. Read main.py first, then commands/options.py.
"""
