"""Compares prompts with the signatures of a snapshot.

In go signatures, which become an immutable snapshot of mapped files, and then prompts; out comes for each prompt the
nearest family, its score, and whether that reaches the family's threshold. Read matcher.py first, then
snapshot_build.py.
"""
