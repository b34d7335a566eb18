"""The lookup service and the analysts' console: one ASGI application, made by `app.create_app`."""
