"""Merge and show results, run failures again, run a suite on many machines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gradcheck import __version__

FIXED_ALL, SOMETHING_FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130
EXAMPLES = """\
tests are run by pytest, with --gradcheck-report=results.jsonl; then:

  gradcheck report results.jsonl -o report.html    one page of one or many runs
  gradcheck replay                                 run all failures saved again
  gradcheck campaign tests.test_layers -n 1000     many seeds, on all cores

gradcheck COMMAND --help tells more.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the ``gradcheck`` command; returns its exit status.

    0: everything is right. 1: something is wrong. 2: the command itself could not be carried out.
    130: interrupted by a key.
    """
    from gradcheck.errors import InvalidArgument

    parser = _parser()
    options = parser.parse_args(arguments)
    if options.run is None:
        parser.print_help(sys.stderr)
        return UNUSABLE
    try:
        return int(options.run(options))
    except InvalidArgument as error:
        print(f"gradcheck: error: {error}", file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print(
            "gradcheck: interrupted; a campaign goes on when the same command is run again",
            file=sys.stderr,
        )
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gradcheck",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gradcheck {__version__}")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    for name, does, add in (
        ("report", "merge result files and show them", _add_report),
        ("replay", "run saved failing cases again", _add_replay),
        ("campaign", "run many cases of a suite, anywhere", _add_campaign),
    ):
        add(commands.add_parser(name, help=does, description=f"{does.capitalize()}."))
    return parser


# ----------------------------------------------------------------------------------------- report


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE.jsonl",
        help="results of pytest --gradcheck-report=FILE.jsonl, or of a campaign",
    )
    parser.add_argument(
        "-o",
        "--output",
        action="append",
        type=Path,
        default=[],
        metavar="PATH",
        help="write .html, .json or .jsonl; may be repeated; without it a summary is printed",
    )
    parser.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    from gradcheck.report import json_lines, render

    for target in options.output:
        json_lines.require_writable(target)
        json_lines.require_ours(target)
    rows = json_lines.merge({name: json_lines.read(name) for name in options.files})
    for target in options.output:
        render.write(target, rows)
        print(f"report written to {target}")
    if not options.output:
        _print_summary(rows)
    return FIXED_ALL


def _print_summary(rows: list[dict[str, object]]) -> None:
    from gradcheck.report.render import showing
    from gradcheck.report.summary import as_tests, summary_lines

    with showing():
        lines = list(summary_lines(as_tests(rows)))
    print("\n".join(lines))


# ----------------------------------------------------------------------------------------- replay


def _add_replay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ids", nargs="*", metavar="ID", help="saved cases; all of them by default")
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="PATH",
        help="where cases are saved (.gradcheck, here or in a folder above)",
    )
    parser.add_argument("--forget-fixed", action="store_true", help="remove the cases now fixed")
    parser.set_defaults(run=_replay)


def _replay(options: argparse.Namespace) -> int:
    from gradcheck.cases import CASES, forget_saved, load_saved
    from gradcheck.replay import replay
    from gradcheck.report.terminal import printable

    _import_from_here()
    folder = options.folder or _nearest(CASES)
    cases = load_saved(folder, options.ids)
    if not cases:
        print(f"no failing case is saved in {folder}")
    outcomes = []
    for case in cases:
        outcome, detail = replay(case, (folder / case.root).resolve())
        outcomes.append(outcome)
        print(f"{outcome:<6} {case.id}  {printable(case.title)}")
        if outcome == "ERROR":
            print(detail)
        if outcome == "FIXED" and options.forget_fixed:
            forget_saved(folder, case)
    if "ERROR" in outcomes:
        return UNUSABLE
    return SOMETHING_FAILED if "FAILED" in outcomes else FIXED_ALL


def _nearest(name: str) -> Path:
    """A folder of that name here, else in the nearest folder above, as pytest finds its root."""
    above = (folder / name for folder in Path.cwd().parents)
    return next((path for path in (Path(name), *above) if path.is_dir()), Path(name))


def _import_from_here() -> None:
    """Subjects are found as ``python -c 'import module'`` would find them."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


# --------------------------------------------------------------------------------------- campaign


def _add_campaign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "suite",
        metavar="MODULE[:ATTRIBUTE]",
        help="import path of a module of one-line tests, of one test, or of a list of them",
    )
    for flags, default, does in (
        (("-n", "--cases"), 100, "cases in all"),
        (("--examples",), 25, "examples of a case"),
        (("--seed",), 0, "another one gives other cases"),
        (("--workers",), None, "processes on this machine (one per core)"),
    ):
        shown = does if default is None else f"{does} ({default})"
        parser.add_argument(*flags, type=int, default=default, metavar="N", help=shown)
    parser.add_argument("--dask", metavar="ADDRESS", help="scheduler, such as tcp://host:8786")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("campaign.jsonl"),
        metavar="PATH",
        help="results, one line per case; an unfinished campaign goes on from them "
        "(campaign.jsonl)",
    )
    parser.set_defaults(run=_campaign)


def _campaign(options: argparse.Namespace) -> int:
    from gradcheck.campaign import Campaign, dask_executor, process_pool, run_campaign
    from gradcheck.cases import CASES, save_failed_cases
    from gradcheck.progress import may_show

    _import_from_here()
    campaign = Campaign(options.suite, options.cases, options.examples, options.seed)
    place = dask_executor(options.dask) if options.dask else process_pool(options.workers)
    with place as executor:
        rows = run_campaign(campaign, executor, options.output, progress=may_show())
    _print_summary(rows)
    for name in save_failed_cases(Path(CASES), rows)[0]:
        print(f"saved: gradcheck replay {name}")
    print(f"results in {options.output}")
    verdicts = {row["result"]["verdict"] for row in rows}
    return FIXED_ALL if verdicts <= {"CORRECT"} else SOMETHING_FAILED


if __name__ == "__main__":
    sys.exit(main())
