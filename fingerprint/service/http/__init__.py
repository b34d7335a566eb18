"""What any HTTP service needs: settings, limits on bodies and time, security headers, problems, the OpenAPI document.

In come requests and errors; out come bodies, deadlines and responses. Nothing here knows of prompts or families. Read
config.py first.
"""
