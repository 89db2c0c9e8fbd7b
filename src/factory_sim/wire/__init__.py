"""The wire: readings to messages and back, the MQTT client, its in-memory twin, and the embedded broker.

Formats are pure; only `mqtt` owns sockets and only `broker` starts a process. The effects of a network on messages
(latency, jitter, loss of a `plant.spec.LinkProfile`) are one more pure function, between encoder and client.
"""
