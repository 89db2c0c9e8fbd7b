"""Store and forward: journal, forwarder and end-to-end acknowledgements."""
