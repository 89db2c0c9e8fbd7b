"""The live page: the state of a line from its feed as it arrives, and the server that shows it to browsers."""
