"""Make the virtual environments and Node projects that apps run in, outside the repository."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.golden.libraries import HERE, Library

REQUIREMENTS = HERE / "requirements"
APPS = HERE / "apps"


def command(library: Library, venvs: Path) -> list[str]:
    """Return how to start a library's app, once its environment is made."""
    home = venvs / library.environment
    if (REQUIREMENTS / f"{library.environment}.json").exists():
        _make_node(library.environment, home)
        # Node looks for packages next to the file it runs.
        app = shutil.copy(APPS / library.app, home)
        return ["node", str(app), *library.instruments]
    _make_python(library.environment, home)
    return [str(home / "bin" / "python"), str(APPS / library.app), *library.instruments]


def version(library: Library) -> str:
    """Return the pinned version of the package that a library stands for."""
    node = REQUIREMENTS / f"{library.environment}.json"
    lines = (node if node.exists() else node.with_suffix(".txt")).read_text("utf-8").splitlines()
    for line in lines:
        name, _, pinned = line.replace('"', "").replace(": ", "==").strip(" ,").partition("==")
        if name == library.package:
            return pinned
    raise LookupError(f"{library.package} is not pinned for {library.environment}")


def _make_python(name: str, home: Path) -> None:
    requirements = REQUIREMENTS / f"{name}.txt"
    if _fresh(home, requirements):
        return
    _run([sys.executable, "-m", "venv", "--clear", str(home)])
    _run([str(home / "bin" / "python"), "-m", "pip", "install", "-q", "-r", str(requirements)])
    _remember(home, requirements)


def _make_node(name: str, home: Path) -> None:
    package = REQUIREMENTS / f"{name}.json"
    if _fresh(home, package):
        return
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(package, home / "package.json")
    _run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(home)])
    _remember(home, package)


def _fresh(home: Path, requirements: Path) -> bool:
    stamp = home / "golden.sha256"
    return stamp.exists() and stamp.read_text("utf-8") == _digest(requirements)


def _remember(home: Path, requirements: Path) -> None:
    (home / "golden.sha256").write_text(_digest(requirements), "utf-8")


def _digest(requirements: Path) -> str:
    return hashlib.sha256(requirements.read_bytes()).hexdigest()


def _run(line: list[str]) -> None:
    subprocess.run(line, check=True)
