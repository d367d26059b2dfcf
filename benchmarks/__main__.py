"""Measure, print and write the tables: ``python -m benchmarks [--quick] [table ...]``."""

from __future__ import annotations

import argparse
import dataclasses
import time

from benchmarks import page, peers
from benchmarks.measuring import QUICK, Budget, load, machine, versions
from benchmarks.tables import TABLES


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="table", help=", ".join(TABLES))
    parser.add_argument("--quick", action="store_true", help="a tenth of the work; not written")
    parser.add_argument("--dry", action="store_true", help="print only")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="cases=30", help="other numbers of a Budget"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.tables) - set(TABLES):
        parser.error(f"no such table: {', '.join(sorted(unknown))}")
    changes = {name: int(number) for name, number in (one.split("=") for one in options.set)}
    budget = dataclasses.replace(QUICK if options.quick else Budget(), **changes)
    order = ("machine", *TABLES)
    about = f"<!-- machine -->\n{machine()}; {versions()}.\n<!-- end of machine -->"
    if written := not (options.quick or options.dry):
        page.write("machine", about, order=order)
    print(about)
    for name in options.tables or TABLES:
        peers.forget()
        before, started = load(), time.perf_counter()
        tables = TABLES[name](budget)
        text = page.section(name, tables, f"{before}, {time.perf_counter() - started:.0f} s")
        print(f"\n{text}", flush=True)
        if written:
            page.write(name, text, order=order)


if __name__ == "__main__":
    main()
