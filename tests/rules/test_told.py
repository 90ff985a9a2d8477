"""Names whose readers want to know what each one means."""

from __future__ import annotations

from enum import StrEnum

import pytest

from handlers.errors import DoorCode
from sync.audit import Act
from sync.errors import Code
from sync.rules.adoption_reasons import Reason, Remark
from sync.rules.drift import FindingKind
from sync.telemetry import LogEvent


@pytest.mark.parametrize("names", [Act, Code, DoorCode, FindingKind, LogEvent, Reason, Remark])
def test_every_name_says_what_it_stands_for(names: type[StrEnum]) -> None:
    """A name can be looked up by itself, and none was listed without its sentence."""
    assert [] == [name for name in names if names(str(name)) is not name or not name.sentence]
