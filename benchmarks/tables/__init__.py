"""The tables, each in a module of its own: ``tables(budget)`` measures and returns them."""

from __future__ import annotations

from benchmarks.tables import (
    cost,
    false_alarms,
    first_failure,
    generation,
    memory,
    missed_bugs,
    suite,
)

TABLES = {
    "false-alarms": false_alarms.tables,
    "missed-bugs": missed_bugs.tables,
    "generated-bugs": missed_bugs.generated_tables,
    "cost": cost.tables,
    "full-cost": cost.full_tables,
    "first-failure": first_failure.tables,
    "generation": generation.tables,
    "suite": suite.tables,
    "memory": memory.tables,
}
