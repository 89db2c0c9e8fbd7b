"""The compiled engine: the same line, the same digits, on flat arrays.

`flat.py` turns a plant into arrays, `columns.py` names their columns, `state.py` holds what changes; the other files
are the reference model's files again, each compiled: `machines.py` is the twin of `sim/reference/machine.py`.
"""
