"""A night of any size: how it is read, held, sampled, divided among workers, and taken up again after a kill.

In: a reader of traffic, the known families, and a `Job` (settings, engine, folder of finished stages). Out: a `Night` and
what is `Discovered` in it, which `jobs.night_steps` hands on to the steps that follow.

Read `night.py` first. A night that fits in memory needs no other module; a larger one goes through `large`, which spools
texts (`spool`, `spool_files`), searches samples (`sampling`) and claims prompts (`claims`). `engine` and `ray_engine` do
the work, `beyond` claims what only a sample shows, `memory` says how much may be held, `checkpoint` and `resume` survive
a kill, `rhythm` is kept for analysts.
"""
