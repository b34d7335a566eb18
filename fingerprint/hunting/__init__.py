"""Searches past traffic for one family, and loses no match.

In go the signatures of a family and batches of raw requests; out come the hits that a full lookup would find. Most
texts are excluded in one pass over their bytes, by bounds that no match falls below. Read hunter.py first, then
prefilter.py, which says what is excluded where.
"""
