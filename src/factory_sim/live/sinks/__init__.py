"""Where a listener keeps what arrives: a recording on disk, a database."""

BUFFER, LIMIT = "sink_buffer", "1 GB"  # of what waits while the database is away
