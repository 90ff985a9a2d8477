"""The wheel: builds, installs outside of the checkout, and brings its SQL and data files along."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DATA_SUFFIXES = {".sql", ".toml", ".html", ".css", ".js", ".txt", ".typed", ".po", ".mo", ".json", ".jinja"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    code = f"from hatchling.build import build_wheel; build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("prorata-*.whl"))


def test_wheel_has_every_data_file(wheel: Path) -> None:
    """Whatever lies beside the modules is in the wheel, and nothing of the tests is."""
    wanted = {
        str(path.relative_to(ROOT))
        for package in ("worker", "handlers", "sync")
        for path in (ROOT / package).rglob("*")
        if path.suffix in DATA_SUFFIXES | {".py"}
    }

    packed = set(zipfile.ZipFile(wheel).namelist())
    assert wanted - packed == set()
    assert {"worker/migrations/0001_billing.sql", "worker/py.typed", "sync/py.typed"} <= packed
    assert not any(name.startswith("tests/") for name in packed)


def test_installed_command_runs_elsewhere(wheel: Path, tmp_path: Path) -> None:
    """Unpacked away from the checkout, the command runs and finds its migrations."""
    target = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    code = (
        f"import sys, worker; assert worker.__file__.startswith({str(target)!r}), worker.__file__;"
        " from worker.migrate import load_migrations; assert load_migrations();"
        " from worker.__main__ import main; sys.argv[1:] = ['version']; main()"
    )
    ran = subprocess.run(
        # -S leaves out the .pth file of an editable install, which would put the checkout on the path.
        [sys.executable, "-S", "-c", code],
        cwd=tmp_path,
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join([str(target), *site.getsitepackages()])},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.stderr == ""
    assert ran.stdout.startswith("prorata 0.1.0 ")


def test_wheel_has_the_command(wheel: Path) -> None:
    """An installer will make `prorata` of it."""
    archive = zipfile.ZipFile(wheel)
    entry_points = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))

    assert "prorata = worker.__main__:main" in archive.read(entry_points).decode()
