"""Reads every import and holds the arrows: bot → db ← gen, each heavy library in its own room only."""

import ast
from pathlib import Path

import pytest

from tests.map import made

ROOT = Path(__file__).parent.parent
ROOMS = ("bot", "db", "gen")
ALLOWED = {"bot": {"bot", "db"}, "gen": {"gen", "db"}, "db": {"db"}}
HOME = {
    "torch": "gen",
    "diffusers": "gen",
    "transformers": "gen",
    "accelerate": "gen",
    "bitsandbytes": "gen",
    "safetensors": "gen",
    "av": "gen",
    "huggingface_hub": "gen",
    "httpx2": "gen",
    "sqlalchemy": "db",
    "alembic": "db",
    "obstore": "db",
    "psycopg": "db",
    "aiohttp": "bot",
    "discord": "bot",
    "telegram": "bot",
    "prometheus_client": "bot",
}
# Inside gen/, the files that may know the database: the dispatcher, and the benches that run the whole way; and those
# that share its room's configuration, log and findings. How a sentence remembers what it was made of, all may know.
DISPATCH = ("gen/dispatch.py", "gen/loader.py", "gen/leave.py")
KNOWS_DB = (*DISPATCH, "gen/renditions.py", "gen/bench/", "gen/config.py", "gen/doctor.py", "gen/pipe.py")
# Inside gen/, the files that the service's own process imports: torch must not come with them.
TORCH_FREE = (
    "card",
    "config",
    "dispatch",
    "driver",
    "errors",
    "files",
    "film",
    "hours",
    "hub",
    "leave",
    "loader",
    "pipe",
    "plan",
    "process",
    "renditions",
    "sources",
    "transcode",
    "types",
)

FILES = sorted(path for room in ("flipbot", *ROOMS) for path in (ROOT / room).rglob("*.py"))


def imports(path: Path, *, at_import_only: bool = False) -> set[str]:
    """The dotted names of all modules a file imports; at_import_only: not those inside functions or for types."""
    found = set()
    nodes: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while nodes:
        node = nodes.pop()
        if at_import_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if at_import_only and isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(str(node.module))
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        nodes += ast.iter_child_nodes(node)
    return found


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_import_follows_the_arrows(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0]
    seen = tops(path)
    for library, home in HOME.items():
        assert library not in seen or room == home, f"{library} belongs to {home}/"
    if room == "flipbot":
        return
    assert seen & set(ROOMS) <= ALLOWED[room]
    assert "flipbot" not in seen
    name = path.relative_to(ROOT).as_posix()
    if room == "gen" and any(name.startswith("db") and not name.startswith("db.said") for name in imports(path)):
        assert name.startswith(KNOWS_DB)


def test_the_arrows_are_really_read() -> None:
    assert "db" in tops(ROOT / "gen" / "dispatch.py")
    assert "torch" in tops(ROOT / "gen" / "child.py")
    assert {"bot", "gen", "db"} <= tops(ROOT / "flipbot" / "service.py")


@pytest.mark.parametrize("name", TORCH_FREE)
def test_the_services_own_process_never_imports_torch(name: str) -> None:
    todo, seen = [f"gen.{name}"], set()
    while todo:
        module = todo.pop()
        path = ROOT / Path(*module.split(".")).with_suffix(".py")
        if module in seen or not path.exists():
            continue
        seen.add(module)
        found = imports(path, at_import_only=True)
        heavy = {n.split(".")[0] for n in found} & {"torch", "diffusers", "transformers", "accelerate"}
        assert not heavy, f"{module} imports {heavy}"
        todo += [n for n in found if n.startswith("gen.")]


def test_importing_a_room_does_nothing_else() -> None:
    """A module's top level holds definitions, not calls for effect (Alembic runs its env.py, so that one does)."""
    for path in FILES:
        if path.name == "env.py":
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                raise AssertionError(f"{path.name}:{node.lineno} does something when imported")


def test_the_map_says_what_each_file_says_of_itself() -> None:
    assert (ROOT / "docs" / "map.md").read_text("utf-8") == made(), "write it anew: python -m tests.map"
