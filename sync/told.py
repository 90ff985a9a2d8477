"""The base of every list of names whose readers want to know what each one means."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Told(StrEnum):
    """Names, each with a sentence that says what it stands for."""

    sentence: str

    def __new__(cls, value: str, sentence: str = "") -> Self:
        """Make the member equal to its name and hang the sentence on it; looked up by its name it has one."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member
