"""The compiled engine: the reference model again on flat tables, with the same log to the last bit.

`tables.py` declares the tables, `flatten.py` fills them from a plant, `world.py` gives compiled code access to them.
The other files are the files of the reference model: `machines.py` is the twin of `sim/reference/machine.py`.
"""
