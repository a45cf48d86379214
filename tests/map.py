"""`python -m tests.map`: writes docs/map.md, the first line of every file, by rooms."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = {
    "flipbot": "The command line: puts the rooms together. Sees all of them.",
    "bot": "What people meet: the chats, the page (assets/), the terminal, the sentences (words/). Sees db.",
    "bot/bench": "Benches of what people meet.",
    "db": "Rows, files and turns, and all that must survive. Sees nobody.",
    "gen": "The engine, and what drives it. Sees db.",
    "gen/bench": "Benches of the engine and the queue.",
    "gen/train": "How the tiny checkpoint is made.",
    "tests/fakes": "Servers that speak Discord's, Telegram's, the hub's and a card's language, for tests.",
}
HEAD = """# Where what is

The first line of every file, written by `python -m tests.map`; a test says when it is out of date.
"""


def made() -> str:
    """The whole text of docs/map.md."""
    return HEAD + "".join(map(_room, ROOMS))


def _room(room: str) -> str:
    files = sorted(path for path in (ROOT / room).glob("*.py") if path.stem not in ("__init__", "__main__"))
    rows = [f"| [{path.name}](../{room}/{path.name}) | {_about(path)} |\n" for path in files]
    return f"\n## {room}/\n\n{ROOMS[room]}\n\n| file | |\n| --- | --- |\n" + "".join(rows)


def _about(path: Path) -> str:
    said = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return " ".join(said.partition("\n\n")[0].split()).replace("|", "\\|")


if __name__ == "__main__":
    (ROOT / "docs" / "map.md").write_text(made(), "utf-8")
