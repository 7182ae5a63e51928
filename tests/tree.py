"""The files of the checkout, as the tests that hold its style see them."""

import ast
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("engine", "facade", "adapters")
TOP_FOLDERS = (*PACKAGES, "tests", "perf", "docs", "requirements", ".ci")
_MADE = {".git", ".venv", "out", "dist", "build", "__pycache__"}


def committed(root: Path = ROOT) -> list[Path]:
    """Files git tracks, relative to the root, sorted; every file but what is made, without git."""
    listing = _git(root, "ls-files", "-z")
    if listing is None:
        walked = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        return sorted(path for path in walked if not _is_made(path))
    return sorted(path for path in listing if (root / path).is_file())


def packaged(root: Path = ROOT) -> list[Path]:
    """Files of the three packages that are not ignored, tracked or not."""
    listing = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", *PACKAGES)
    if listing is None:
        return [path for path in committed(root) if path.parts[0] in PACKAGES]
    return sorted({path for path in listing if (root / path).is_file()})


def modules(*folders: str, root: Path = ROOT) -> Iterator[tuple[Path, ast.Module]]:
    """Every committed Python file under the folders, with its syntax tree."""
    for path in committed(root):
        if path.suffix == ".py" and path.parts[0] in folders:
            yield path, ast.parse((root / path).read_text(encoding="utf-8"), str(path))


def imported_roots(*folders: str, trees: Iterable[ast.Module] | None = None) -> set[str]:
    """First words of every absolute import in the committed folders, or in the given trees."""
    roots = set()
    for tree in trees if trees is not None else (tree for _, tree in modules(*folders)):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                roots |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                roots.add(node.module.split(".")[0])
    return roots


def _git(root: Path, *arguments: str) -> list[Path] | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None  # an unpacked archive, or a machine without git
    return [Path(name) for name in done.stdout.split("\0") if name]


def _is_made(path: Path) -> bool:
    caches = any(part.endswith("_cache") or part == ".hypothesis" for part in path.parts)
    return caches or bool(_MADE.intersection(path.parts)) or path.suffix in {".pyc", ".nbi", ".nbc"}
