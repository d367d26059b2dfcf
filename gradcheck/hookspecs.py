"""The hooks that the pytest plugin offers; write any of them in a ``conftest.py``.

PYTEST_DONT_REWRITE: imported at every pytest start, so it imports nothing heavy.
"""

from __future__ import annotations

from typing import Any


def pytest_gradcheck_result(item: Any, result: Any) -> None:
    """Called for every CheckResult or TrainingResult, in the process that made it.

    Runs inside the test, once per Hypothesis example: keep it short. ::

        # conftest.py
        def pytest_gradcheck_result(item, result):
            if result.verdict.name == "INCONCLUSIVE":
                item.user_properties.append(("undecided", result.subject))
    """


def pytest_gradcheck_check_ids(config: Any) -> list[str]:  # type: ignore[empty-body]
    """Names of your own checks, so that ``--gradcheck-select`` knows them.

    ::

        # conftest.py
        def pytest_gradcheck_check_ids(config):
            return ["energy-is-conserved"]
    """


def pytest_gradcheck_rows(config: Any, rows: list[dict[str, Any]]) -> None:
    """Called once, before summary and pages, with one dict per test; change the list in place.

    The rows are those of the JSON-lines report, described in ``docs/plugin.md``; the JSON lines
    themselves were written as the tests ended and stay complete. ::

        # conftest.py
        def pytest_gradcheck_rows(config, rows):
            rows[:] = [row for row in rows if "experimental" not in row["id"]]
    """


def pytest_gradcheck_summary(
    config: Any, terminalreporter: Any, rows: list[dict[str, Any]]
) -> None:
    """Called after the summary was written; add your own lines to it.

    ::

        # conftest.py
        def pytest_gradcheck_summary(config, terminalreporter, rows):
            terminalreporter.write_line(f"{len(rows)} tests checked a gradient")
    """
