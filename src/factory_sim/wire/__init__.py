"""How it travels: readings to messages and back, the socket, its in-memory twin, the embedded broker.

Formats are pure; only `client.py` owns a socket and only `broker.py` starts a process. What a network does to messages
on their way (latency, jitter, loss of a `plant.spec.LinkProfile`) stands between encoder and client, as one more pure
function from messages to messages.
"""
