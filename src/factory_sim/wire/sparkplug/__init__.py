"""Sparkplug B 3.0: names, payloads, and the sessions of edge nodes and hosts as pure state machines.

docs/sparkplug.md lists the specification's normative statements (`tck-id-...`), each with the test that covers it.
"""
