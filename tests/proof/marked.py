"""Every test that is marked `proof`, as one part of the verdict."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

from tests.proof.parts import Part

# What takes long enough to be measured shares the machine with nobody but its neighbour.
JOBS = 2
COMMAND = ("-m", "pytest", "-m", "proof", "--timeout", "0", "-n", str(JOBS), "--dist", "worksteal")


def run() -> Part:
    """Run them in processes of their own; how each went is read from pytest's report."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "proof.xml"
        # Their dots and tracebacks come before the verdict; what is on stdout is the verdict alone.
        code = subprocess.run([sys.executable, *COMMAND, f"--junitxml={told}"], stdout=sys.stderr).returncode
        cases = list(ElementTree.parse(told).iter("testcase"))  # noqa: S314  pytest wrote it
    ended = [(case, {child.tag for child in case}) for case in cases]
    failed = [f"{case.get('name')}: failed" for case, tags in ended if tags & {"failure", "error"}]
    passed = sum(not tags & {"failure", "error", "skipped"} for _, tags in ended)
    if code and not failed:
        failed = [f"pytest ended with {code}"]
    what = f"{passed} of {len(cases)} tests at size"
    return Part("at size", what, what, time.monotonic() - began, not failed and passed > 0, problems=failed)
