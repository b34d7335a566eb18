"""The API: lookups, gateways, what is stored, and probes.

In come requests, checked against models (answers.py, schemas.py); out come JSON and problems. Read lookups.py first.
"""
