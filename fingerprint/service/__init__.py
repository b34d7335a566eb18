"""The lookup service and the analysts' console: one ASGI application, made by `app.create_app`.

In come HTTP requests; out come lookups, decisions, what is stored, and pages. `http` is what any HTTP service needs,
`serving` what is in use now, `routes` the API, `console` the pages. Read app.py first.
"""
