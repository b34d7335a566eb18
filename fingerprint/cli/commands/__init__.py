"""The commands, one a file, or a few that belong together.

In come arguments; out come exit statuses and what `output` prints. A command imports the engine inside its function,
so that `--help` loads nothing heavy. Read options.py first: the options that commands share.
"""
