"""Lets `python -m fingerprint` run the command line."""

from fingerprint.cli.main import main

main()
