-- Where a batch is copied to before it is merged into the tables.

CREATE TEMP TABLE new_event (
    unit smallint, seq bigint, us bigint, state smallint, part integer, outcome smallint, detail integer
) ON COMMIT DELETE ROWS;

CREATE TEMP TABLE new_minute (
    sensor integer, us bigint, n integer, total bigint, low integer, high integer, seen bytea
) ON COMMIT DELETE ROWS;

CREATE TEMP TABLE new_kpi (
    span text, us bigint, kpi text, name text, started_us bigint, value double precision, unit text, reason text
) ON COMMIT DELETE ROWS;
