"""A headless Chromium that opens one page, and the Node project whose scripts it runs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

BROWSER = Path(__file__).parents[1] / "browser"
MODULES = BROWSER / "node_modules"
TIMEOUT_S = 120


def dump_dom(
    page: Path | str, scratch: Path, picture: Path | None = None, size: str = "1400,700"
) -> str:
    """Open a page, run its scripts until they rest, and give the document; maybe take a picture."""
    # Time as the page sees it is what the limit is of: it jumps from timer to timer, so nothing is
    # waited for and nothing depends on how busy the machine is.
    address = page if isinstance(page, str) else page.as_uri()
    common = [
        chromium(),
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--hide-scrollbars",
        "--allow-file-access-from-files",
        f"--user-data-dir={scratch / 'profile'}",
        f"--window-size={size}",
        "--virtual-time-budget=30000",
    ]
    if picture:
        run([*common, f"--screenshot={picture}", address])
    return run([*common, "--dump-dom", address])


def chromium() -> str:
    """Find the browser; it is a Debian package and must be there."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "no chromium: apt-get install chromium"
    return found


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stderr[-2000:]}"
    return done.stdout


def node_project() -> Path:
    """Give the Node project, its packages installed."""
    assert (MODULES / "esbuild").is_dir(), f"no packages: make {MODULES}/.installed"
    return BROWSER
