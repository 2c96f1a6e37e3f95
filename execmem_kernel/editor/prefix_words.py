"""Prefixes in words."""

from __future__ import annotations

from types import MappingProxyType

PREFIX_SENTENCES = MappingProxyType(
    {
        "lock": "Makes an instruction that changes memory one step that no other processor can interrupt.",
        "rep": "Repeats a string instruction rcx times.",
        "repe": "Repeats a string comparison rcx times at most, while equal.",
        "repz": "Repeats a string comparison rcx times at most, while equal.",
        "repne": "Repeats a string comparison rcx times at most, until equal.",
        "repnz": "Repeats a string comparison rcx times at most, until equal.",
        "notrack": "Lets an indirect jump go where no endbr64 stands.",
        "bnd": "Keeps the bounds registers of MPX through a jump; today it does nothing.",
        "data16": "Makes operands of 16 bits.",
        "addr32": "Makes addresses of 32 bits.",
        "xacquire": "Begins the elision of a lock, on processors that can.",
        "xrelease": "Ends the elision of a lock, on processors that can.",
    }
)
"""Prefix -> what it does. Source: Intel SDM vol. 2, 2.1.1, and the instructions that each goes with."""
