"""What commands print, and how.

In come rows, reports and matches; out come tables, pages, JSON lines and progress, safe to show on a terminal. Read
printing.py first.
"""
