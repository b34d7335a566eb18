"""The database of a home, SQLite or PostgreSQL: all SQL of the package but casework's.

In: a night's signatures, tables and rows; imported signatures; labels and API keys. Out: the same as records of
`domain`, lists filtered and paged in SQL, and histories as Arrow tables. Every method of `Store` is one transaction.

Read `store.py` first, then `tables.py`. `rows.py` turns rows into records, `lists.py` lists them, `night_writer.py` and
`signature_import.py` write; `database.py` opens and maps errors, `schema.py` makes the tables or migrates them. A new
table or column goes into `tables.py` and, for homes of before, into a new file in `migrations/versions`; a test compares both.
"""
