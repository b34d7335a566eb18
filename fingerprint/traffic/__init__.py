"""Logs in, tables out: any known log as Arrow batches of one schema, and result tables as files.

In go files, directories, URLs, stdin and streams; out come batches of `TRAFFIC_SCHEMA` and a list of the rows that were
rejected, with a reason each and none of their text. Read reader.py first, then log_formats.py and formats/.
"""
