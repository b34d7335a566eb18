"""Lets `python -m fingerprint` run the command line."""

from fingerprint.cli import main

main()
