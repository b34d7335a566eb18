"""Traffic nearer to life: people, honest software and crowds that act in step, and few and small campaigns.

In goes a LifelikeConfig or a ChatsConfig, out come functions that each make a table of requests. Read world.py first.
"""
