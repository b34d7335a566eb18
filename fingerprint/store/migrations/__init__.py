"""Alembic's migrations of the store's database; `database.Database` runs them when it opens one."""
