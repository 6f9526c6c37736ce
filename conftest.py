"""An honest account of a run: what was measured, and what was not tested.

A test that cannot reach a service is skipped, and the end of the run says loudly what was not tested. With CI=true
nothing is skipped that way: a missing service fails. A test that is not for this Python or platform says so by a
`skipif` mark, which stays a skip.
"""

import os
import signal
from collections import Counter
from collections.abc import Generator, Iterator
from typing import Any

import pytest

IN_CI = os.environ.get("CI") == "true"

# A shell that starts the run in the background has it ignore Ctrl+C, and so would all programs that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a failure of a skip that happens in CI for any other reason than the test's own mark."""
    report = yield
    expected = hasattr(report, "wasxfail") or item.get_closest_marker("skipif")
    if IN_CI and report.skipped and not expected:
        report.outcome = "failed"
        report.longrepr = f"CI=true leaves nothing out, but: {_reason(report)}"
    return report


def _reason(report: pytest.TestReport) -> str:
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.removeprefix("Skipped: ")


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests recorded with `record_property`, and what was not tested."""
    figures = list(_figures(terminalreporter.stats))
    if figures:
        terminalreporter.section("figures")
        for name, value in figures:
            terminalreporter.line(f"{name}: {value}")
    skipped = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    if skipped:
        terminalreporter.section("NOT TESTED", red=True, bold=True)
        for reason, count in skipped.most_common():
            terminalreporter.line(f"{count} × {reason}", red=True)


def _figures(stats: dict[str, list[Any]]) -> Iterator[tuple[str, object]]:
    for report in stats.get("passed", []) + stats.get("failed", []):
        if report.when == "call":
            yield from report.user_properties
