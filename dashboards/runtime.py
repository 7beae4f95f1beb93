"""Runtime: the processes themselves."""

from dashboards import limits
from dashboards.board import Board, Row
from dashboards.face import BAD, GOOD, WARN, Face
from dashboards.panels import Column, lines, stat, states, table
from dashboards.query import Query, age, grown, highest, rate, series, share, total

_SNAPSHOT = "snapshot_last_success_timestamp_seconds"
_RESTARTS = "worker_restarts_total"
_LAG = "event_loop_lag_seconds"
_EACH = "{{instance}}"


_FINE = (
    stat(
        Face("Receivers down", "Scrape targets that do not answer.", limit=limits.RECEIVER_DOWN),
        Query(f"count({series('up')}) - sum({series('up')})"),
    ),
    stat(
        Face("Up for", "How long the process that was started last has been up.", "s"),
        Query(age(highest("process_start_time_seconds"))),
    ),
    stat(
        Face(
            "Restarts of a worker",
            "In the last 15 minutes, of the worker with the most: it failed, or ended before it was told to.",
            limit=limits.WORKER_RESTARTING,
        ),
        Query(f"max({grown(_RESTARTS, 'instance', 'worker', over='15m')})"),
    ),
    stat(
        Face(
            "Event loop late",
            "How much later than asked the event loop woke us, the worst of 15 seconds.",
            "s",
            limits.LOOP_LAG,
        ),
        Query(highest(_LAG)),
    ),
    stat(
        Face(
            "Age of table counts",
            "How long ago the tables were last counted.",
            "s",
            limits.SNAPSHOT_STALE,
        ),
        Query(age(f"min({series(_SNAPSHOT)})")),
    ),
    stat(
        Face(
            "Files open",
            "The share of the files and connections that the process with the fewest left may have open.",
            "percentunit",
            steps=((None, GOOD), (0.7, WARN), (0.9, BAD)),
        ),
        Query(f"max({share(series('process_open_fds'), series('process_max_fds'))})"),
    ),
)


_WHO = (
    table(
        Face("Receivers", "What runs where, and since when."),
        Query(highest("build_info", "instance", "version", "python"), is_instant=True),
        Query(age(highest("process_start_time_seconds", "instance")), is_instant=True),
        columns=(
            Column("instance", "Instance"),
            Column("version", "Version"),
            Column("python", "Python"),
            Column("Value #B", "Up for", "s"),
        ),
    ),
    states(
        Face(
            "Leases",
            "Who reconciles, delivers and deletes what is too old: of the receivers that share a store "
            "one at a time.",
        ),
        Query(highest("lease_held", "instance", "lease"), "{{lease}} {{instance}}"),
        (("0", "not held", "text"), ("1", "held", GOOD)),
    ),
)


_COSTS = (
    lines(
        Face("Processor", "Seconds of a core per second.", "short"),
        Query(rate("process_cpu_seconds_total", "instance"), _EACH),
        size=(8, 8),
    ),
    lines(
        Face("Memory", "In main memory, and all that is addressed.", "bytes"),
        Query(total("process_resident_memory_bytes", "instance"), f"resident {_EACH}"),
        Query(total("process_virtual_memory_bytes", "instance"), f"virtual {_EACH}"),
        size=(8, 8),
    ),
    lines(
        Face("Files and connections open", "And how many there may be."),
        Query(total("process_open_fds", "instance"), f"open {_EACH}"),
        Query(total("process_max_fds", "instance"), f"limit {_EACH}"),
        size=(8, 8),
    ),
    lines(
        Face("Collections of garbage", "Per minute, by generation.", "cpm"),
        Query(f"60 * {rate('python_gc_collections_total', 'generation')}", "generation {{generation}}"),
        size=(8, 8),
    ),
    lines(
        Face("Garbage", "Objects collected per second; uncollectable ones should not be.", "cps"),
        Query(rate("python_gc_objects_collected_total"), "collected"),
        Query(rate("python_gc_objects_uncollectable_total"), "uncollectable"),
        size=(8, 8),
    ),
    lines(
        Face(
            "SQLite's write-ahead log",
            "It is cut back to 64 MiB once nobody reads what is in it; 0 on PostgreSQL.",
            "bytes",
            limits.STORE_LOG,
        ),
        Query(total("store_log_bytes", "instance"), _EACH),
        size=(8, 8),
    ),
)


_WORK = (
    lines(
        Face("Restarts by worker", "In 15 minutes.", limit=limits.WORKER_RESTARTING),
        Query(grown(_RESTARTS, "instance", "worker", over="15m"), f"{{{{worker}}}} {_EACH}"),
        size=(8, 8),
    ),
    lines(
        Face(
            "Event loop late by instance",
            "The worst of 15 seconds: something kept it from answering.",
            "s",
            limits.LOOP_LAG,
        ),
        Query(highest(_LAG, "instance"), _EACH),
        size=(8, 8),
    ),
    lines(
        Face(
            "Age of table counts by instance",
            "They are counted in the background.",
            "s",
            limits.SNAPSHOT_STALE,
        ),
        Query(age(highest(_SNAPSHOT, "instance")), _EACH),
        size=(8, 8),
    ),
    lines(
        Face("Counts of the tables that failed", "In 15 minutes; what was counted before stays."),
        Query(grown("snapshot_failures_total", "instance", over="15m"), _EACH),
    ),
    lines(
        Face("Deleted as too old", "Rows per minute, by kind.", "cpm"),
        Query(f"60 * {rate('retention_deleted_total', 'kind')}", "{{kind}}"),
        stacked=True,
    ),
)


BOARD = Board(
    "runtime",
    "Receiver · Runtime",
    "Are the processes well, and what do they cost?",
    (
        Row("Is it fine?", _FINE),
        Row("What runs where?", _WHO),
        Row("What does it cost?", _COSTS),
        Row("Do the workers work?", _WORK),
    ),
)
