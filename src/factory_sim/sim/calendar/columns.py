"""Names of the columns of the compiled engine's tables.

Everything that exists has one row in two tables, what it is (`w.f`) and how it stands (`w.s`), and its row number is
its id: first the units, with the ids that logs use, then places, stations, failure modes, plans, pools, shifts, fleets.
Columns of different kinds share numbers.
"""

from __future__ import annotations

# ---- what it is: w.f

# unit: machine; then what only sources have; then what only vehicles have
(
    ROLE,
    STATION,
    SHIFT,
    N_MODES,
    MODE0,
    N_PLANS,
    PLAN0,
    SETUP_POOL,
    N_NEEDS,
    NEED0,
    NEED1,
    CYCLE_LAW,
    WEARS,
    SLOT_REPAIR,
    SLOT_UPKEEP,
    SLOT_END,
    SLOT_WEAR,
    SLOT_STRIKE,
    SLOT_TRANSPORT,
    SLOT_ARRIVAL,
    BELT,
    POOL_OF,
    SATURATED,
    LOSES,
    CARDS,
    GIVES_TO,
    ARRIVAL_LAW,
    GAP0,
    N_GAPS,
    SEQUENCE0,
    N_SEQUENCE,
    MIX0,
    N_MIX,
    OF_FLEET,
    LOAD_LAW,
    UNLOAD_LAW,
    TRIP_LAW,
    FULL_US,
    LOW_US,
    CHARGE_US,
    F_WIDTH,
) = range(41)
ROLE_SOURCE, ROLE_MACHINE, ROLE_VEHICLE, ROLE_CONVEYOR, ROLE_MEMBER = range(5)

# station: one per operation, and one for the exit behind them
(
    TAKES,
    IN0,
    N_IN,
    MACHINE0,
    N_MACHINES,
    DESTINATION,
    PASSES,
    REWORK_TO,
    VERDICT0,
    MAX_LOOPS,
    BATCH_SIZE,
    BATCH_MIN,
    BATCH_US,
    HAS_UPKEEP,
    FACTOR0,
    SETUP0,
    SLOT_TIMEOUT,
) = range(17)
TAKES_ONE, TAKES_SET, TAKES_BATCH = range(3)

# place: buffers, the exit, conveyors, calls for vehicles; INDEX: the operation's number, AT: its station
(
    KIND,
    INDEX,
    AT,
    CAPACITY,
    QUANTITY,
    PACE,
    BELT_IN,
    FLEET_IN,
    BELT_UNIT,
    DELAY_US,
    FLEET,
    BUFFER,
    ORIGIN,
    STOP,
    FEEDER,
) = range(15)
BUFFER_KIND, EXIT_KIND, CONVEYOR_KIND, CALLS_KIND = range(4)

# failure mode; planned maintenance; pool; shift; fleet
(CLOCK, WEARING, CREW, PRIORITY, LIFE_LAW, REPAIR_LAW) = range(6)
(EVERY_US, EVERY_PARTS, PLAN_CREW, PLAN_LAW, WEAR_AT, PLAN_SLOT, PLAN_UNIT) = range(7)
(WAIT_KIND, POOL_SHIFT) = range(2)
(EDGE0, N_EDGES, CYCLE_US, FINISH, SHIFT_SLOT) = range(5)
(POLICY, TRAVEL0, N_STOPS) = range(3)
FIRST_COME, NEAREST, MOST_URGENT = range(3)

# random streams: w.k
(CYCLES, VERDICTS, ARRIVALS, VARIANTS, LOADS, UNLOADS, TRIPS, K_WIDTH) = range(8)
(LIVES, REPAIRS) = range(2)
(UPKEEPS,) = range(1)

# ---- how it stands: w.s

# unit: what every part visit touches comes first, because a row spans eleven cache lines
(
    PHASE,
    STEP,
    HALTED,
    HELD,
    N_HELD,
    OUTCOME,
    PLACE,
    OFFERED,
    NOW_STATE,
    LAST_ROW,
    LEFT_US,
    DRAWN_US,
    BUSY_US,
    CLOCK_ON,
    STARTED,
    BUSY_DUE,
    K_CYCLE,
    STATE_SINCE,
    SEND_NEXT,
    SEND_SINCE,
    IDLING,
    IDLE_NEXT,
    IDLE_SINCE,
    UNSETTLED,
    T_PARTS,
    T_BUSY,
    CLOSING,
    FAILED,
    T_SCRAPPED,
    OFF,
    VARIANT,
    CALLS_ON,
    REPAIRING,
    RAN_US,
    SINCE,
    UPKEEP,
    PARTS_DONE,
    SEND_ORIGIN,
    CALL_NEXT,
    CALL_PRIORITY,
    CALL_SINCE,
    CALL_AS,
    ASSIGNED,
    SETUP_US,
    DUE_COUNT,
    K_QUALITY,
    OUTSIDE,
    INSIDE,
    CARD_ROW,
    K_ARRIVAL,
    K_VARIANT,
    FREE,
    FREE_SINCE,
    FREE_NEXT,
    AT_STOP,
    GOES_TO,
    PART,
    BATTERY,
    TASK,
    CALLER,
    CALLED_FROM,
    K_LOAD,
    K_UNLOAD,
    K_TRIP,
    ARRIVED,
    NEED_AS,
    INTERRUPTED,
    SERVED0,
    SERVED1,
    SERVED2,
    SERVED3,
    SERVED4,
    SPENT0,
) = range(73)
S_WIDTH = SPENT0 + 14  # time in each state follows
EMPTY, SETUP, NEEDS, WORK, DONE = range(5)  # PHASE, as in sim/reference/machine.py
CLOCK_OFF, CLOCK_END, CLOCK_WEAR = range(3)
AS_SETUP, AS_NEED0, AS_NEED1, AS_BREAKDOWN, AS_UPKEEP = range(5)  # CALL_AS: why; SERVED0 + it: who
TO_PICK_UP, TO_LOAD, TO_DELIVER, TO_UNLOAD, TO_CHARGE = range(5)  # TASK of a vehicle

# place; station; failure mode; planned maintenance; pool; shift; fleet
(HEAD, TAIL, COUNT, RESERVED, SENDERS, ROOM_ROW, TRAVELS) = range(7)
(IDLE_HEAD, N_IDLE, ALARM, WANTED, STUCK) = range(5)
(DUE, LIFE_US, K_LIFE, K_REPAIR) = range(4)
(DUE_SEQ, DONE_AT, K_PLAN) = range(3)
(OPEN, FREE_HEAD, CALL_HEAD) = range(3)
(CYCLE, EDGE) = range(2)
(FLEET_DIRTY, REQUESTS) = range(2)

# a part, in w.p
(PART_NEXT, PART_ROW, PART_AT, PART_VARIANT, PART_ORIGIN, PART_LOOPS, P_WIDTH) = range(7)

# the line: w.g; the bits of stations where a move may be possible follow
(
    N_UNITS,
    PLACE0,
    STATION0,
    N_STATIONS,
    POOL0,
    N_POOLS,
    SHIFT0,
    N_SHIFTS,
    FLEET0,
    N_FLEETS,
    N_VARIANTS,
    N_SLOTS,
    NOW,
    ROWS,
    FIRST_ROW,
    STORING,
    N_PARTS,
    STAGE,
    POOLS_CALLED,
    ANY_UNSETTLED,
    CHECK_CIRCLES,
    BLOCKED_NEW,
    LOOK_AT,
    VISITED,
    AT_ONCE,
    T0,
    T1,
    ENTERED_N,
    LEFT_N,
    SCRAPPED_N,
    MERGED_N,
    LOST_N,
    GOOD_N,
    NEXT_DUE,
    DIRTY0,
) = range(35)
WORD_BITS, IN_WORD = 5, 31  # 32 bits a word
MOST_AT_ONCE = 1024  # parts that sources give in one step: a buffer of a million places is filled in many
BEGINNING, BETWEEN, EVENTS, SERVING, MOVING, DISPATCHING = range(6)  # STAGE within an instant
