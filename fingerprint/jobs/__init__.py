"""What a command or a route starts: a night, a lookup, a hunt, a watch, a new snapshot.

In: where the traffic is, the home, and settings. Out: what is stored or written, and a report. Commands, the service and
other programs call these, and none of the stages below.

Read `night_steps.py` first: it names the steps of a night in their order.
"""
