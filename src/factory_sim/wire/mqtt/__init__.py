"""The MQTT client: connection, packets, inflight window and TLS."""
