"""What is in use now: the snapshot and its lookups, the policy, keys and sessions, metrics and the log.

In come the home and its changes; out comes the `Service` that all routes share. Read context.py first.
"""
