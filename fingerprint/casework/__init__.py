"""What analysts do, and what they look at.

In come stored families and analysts' decisions; out come actions that can be undone, the ranked queue, and what pages
show. Read actions.py first, then queue.py.
"""
