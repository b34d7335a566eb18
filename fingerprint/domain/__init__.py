"""What all stages speak of: signatures, results, rows, schemas, settings, errors and shared words.

In: values of every stage. Out: frozen dataclasses, Arrow schemas, and signatures as JSON and back; no stage's work.

Read `signature.py` first, what a family is; then `schemas.py`, the columns that travel between stages. `vocabulary.py`,
`settings.py` and `errors.py` load nothing but the standard library, so that the command line may start with them.
"""
