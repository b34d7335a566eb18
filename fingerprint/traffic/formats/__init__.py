"""One small table for each kind of log: how its rows are known, and where in them the fields of a request stand.

In goes nothing; out come tables (`log_format.LogFormat`) that `traffic.log_formats` tries in the order it states. To
read another log, write a table beside these and give it a row there. Read log_format.py first, then litellm.py.
"""
