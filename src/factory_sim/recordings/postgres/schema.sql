-- Schema 1 of a feed in PostgreSQL (docs/recordings.md). `event`, `minute` and `kpi` grow; the rest describes them.
-- The keys make writing repeatable: what arrives again, after a kill of either side, is not stored again.

CREATE SCHEMA factory_sim;

CREATE TABLE factory_sim.version (version integer NOT NULL, program text NOT NULL);

CREATE FUNCTION factory_sim.at(us bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE
AS $$ SELECT 'epoch'::timestamptz + us * interval '1 microsecond' $$;

CREATE TABLE factory_sim.run (
    run integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id text NOT NULL,
    t0_us bigint NOT NULL,          -- start of the window; a run resumed from a snapshot begins later
    plant text NOT NULL,
    root text NOT NULL,             -- first levels of its topics
    timezone text NOT NULL,
    started timestamptz NOT NULL,   -- the window
    ends timestamptz NOT NULL,
    ended boolean NOT NULL DEFAULT false,
    received bigint,                -- readings; known at the end
    lost bigint,
    UNIQUE (run_id, t0_us)
);

CREATE TABLE factory_sim.unit (
    run integer NOT NULL,
    unit smallint NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    kind text NOT NULL,
    section text NOT NULL,
    operation text NOT NULL,
    PRIMARY KEY (run, unit)
);

CREATE TABLE factory_sim.failure_mode (
    run integer NOT NULL,
    unit smallint NOT NULL,
    mode integer NOT NULL,          -- `detail` of events in the states DOWN and REPAIR
    name text NOT NULL,
    PRIMARY KEY (run, unit, mode)
);

CREATE TABLE factory_sim.sensor (
    run integer NOT NULL,
    sensor integer NOT NULL,
    unit smallint NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    unit_text text NOT NULL,
    scale double precision NOT NULL,  -- value = count * scale + zero
    zero double precision NOT NULL,
    low double precision NOT NULL,
    high double precision NOT NULL,
    period_us bigint NOT NULL,
    PRIMARY KEY (run, sensor)
);

CREATE TABLE factory_sim.state (state smallint PRIMARY KEY, name text NOT NULL);
CREATE TABLE factory_sim.outcome (outcome smallint PRIMARY KEY, name text NOT NULL);

CREATE TABLE factory_sim.event (
    run integer NOT NULL,
    unit smallint NOT NULL,
    seq bigint NOT NULL,            -- counts the rows of the unit
    time timestamptz NOT NULL,
    state smallint NOT NULL,
    part integer NOT NULL,
    outcome smallint NOT NULL,
    detail integer NOT NULL,
    PRIMARY KEY (run, unit, seq, time)
);
CREATE INDEX ON factory_sim.event (time);

CREATE TABLE factory_sim.minute (
    run integer NOT NULL,
    sensor integer NOT NULL,
    time timestamptz NOT NULL,      -- begin of the minute
    n integer NOT NULL,             -- readings
    total bigint NOT NULL,          -- sum of their counts
    low integer NOT NULL,
    high integer NOT NULL,
    seen bytea,                     -- one bit per tick; null: all have arrived
    PRIMARY KEY (run, sensor, time)
);
CREATE INDEX ON factory_sim.minute (time);

CREATE TABLE factory_sim.kpi (
    run integer NOT NULL,
    span text NOT NULL,             -- kind of window: 'run', 'hour', 'shift', ...
    time timestamptz NOT NULL,      -- end of the window: minute of KPIs of the line, else hour
    kpi text NOT NULL,
    name text NOT NULL,             -- operation, machine, section, or 'line'
    started timestamptz NOT NULL,
    value double precision,
    unit text NOT NULL,
    reason text NOT NULL,           -- why the value is null
    PRIMARY KEY (run, span, kpi, name, time)
);
CREATE INDEX ON factory_sim.kpi (time);

CREATE TABLE factory_sim.shift (
    run integer NOT NULL,
    shift text NOT NULL,            -- '2026-01-05/early'
    started timestamptz NOT NULL,
    ended timestamptz NOT NULL,
    kpis jsonb NOT NULL,            -- as `factory-sim kpis --json`
    PRIMARY KEY (run, shift)
);

CREATE VIEW factory_sim.events AS
SELECT e.time, r.run_id, r.plant, u.name AS unit, u.role, u.section, u.operation, s.name AS state, e.part,
       o.name AS outcome, e.detail
FROM factory_sim.event e
JOIN factory_sim.run r USING (run)
JOIN factory_sim.unit u USING (run, unit)
JOIN factory_sim.state s USING (state)
JOIN factory_sim.outcome o USING (outcome);

CREATE VIEW factory_sim.failures AS  -- the begin of each
SELECT f.time, r.run_id, r.plant, u.name AS unit, u.section, u.operation, m.name AS mode
FROM (
    SELECT *, lag(state) OVER (PARTITION BY run, unit ORDER BY seq) AS before FROM factory_sim.event
) AS f
JOIN factory_sim.run r USING (run)
JOIN factory_sim.unit u USING (run, unit)
LEFT JOIN factory_sim.failure_mode m ON m.run = f.run AND m.unit = f.unit AND m.mode = f.detail
WHERE f.state IN (7, 8) AND coalesce(f.before, 0) NOT IN (7, 8);  -- DOWN, REPAIR

CREATE VIEW factory_sim.signals AS
SELECT m.time, r.run_id, r.plant, u.name AS unit, c.name AS sensor, c.unit_text,
       m.total * c.scale / m.n + c.zero AS mean,
       m.low * c.scale + c.zero AS low, m.high * c.scale + c.zero AS high, m.n
FROM factory_sim.minute m
JOIN factory_sim.run r USING (run)
JOIN factory_sim.sensor c USING (run, sensor)
JOIN factory_sim.unit u ON u.run = m.run AND u.unit = c.unit;

CREATE VIEW factory_sim.kpis AS
SELECT k.time, k.started, r.run_id, r.plant, k.span, k.kpi, k.name, k.value, k.unit, k.reason
FROM factory_sim.kpi k
JOIN factory_sim.run r USING (run);

-- With TimescaleDB, which brings create_hypertable, the three tables that grow are divided by time.
DO $$
DECLARE grows text;
BEGIN
    IF EXISTS (SELECT FROM pg_proc WHERE proname = 'create_hypertable') THEN
        FOREACH grows IN ARRAY ARRAY['event', 'minute', 'kpi'] LOOP
            EXECUTE format(
                'SELECT create_hypertable(%L, ''time'', chunk_time_interval => INTERVAL ''1 day'')', 'factory_sim.' || grows
            );
        END LOOP;
    END IF;
END $$;
