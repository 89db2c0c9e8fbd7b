"""The embedded broker: an MQTT server as a child process on 127.0.0.1."""
