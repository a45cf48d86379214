"""What a run of the tests says last: which of them could not be run here, and the one command that changes it."""

import pytest

MISSING = "no Chromium"


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Where the page was not tried in a browser, say so in the last lines."""
    skipped = [report for report in terminalreporter.getreports("skipped") if MISSING in str(report.longrepr)]
    if skipped:
        reason = str(skipped[0].longrepr[-1]).removeprefix("Skipped: ")
        terminalreporter.write_sep("=", f"{len(skipped)} tests of the page were left out")
        terminalreporter.write_line(reason)
