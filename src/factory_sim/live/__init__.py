"""One run online: `publish` simulates, senses and sends it; `listen` receives and analyses it.

`listen` must work where the simulator is not installed, so neither module imports the other.
"""
