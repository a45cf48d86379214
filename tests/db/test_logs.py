"""What is logged, and where."""

import subprocess
import sys

import pytest

SAYS = """
import logging
from db.config import ServiceConfig
from db.logs import start_log
start_log(ServiceConfig(log_level="{level}"), quiet=True)
logging.getLogger("flipbot.x").warning("a section failed")
logging.getLogger("flipbot.x").error("a mistake of ours")
"""


@pytest.mark.parametrize(("level", "told"), [("info", 1), ("warning", 1), ("debug", 2)])
def test_where_sentences_are_told_only_mistakes_of_ours_are_logged(level: str, told: int) -> None:
    said = subprocess.run(
        [sys.executable, "-c", SAYS.format(level=level)], check=True, capture_output=True, text=True
    ).stderr
    assert len(said.splitlines()) == told and "a mistake of ours" in said
