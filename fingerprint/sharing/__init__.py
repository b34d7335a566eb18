"""Signatures for others, and from others.

In go stored signatures and on what terms they are shared; out come files in the formats of threat intelligence (STIX,
MISP) and of rule engines (NOVA, YARA), or our own JSON. Back come signatures that were checked as untrusted input.
Read exports.py first, then imports.py.
"""
