"""The reserved words of operands and instructions: prefixes, sizes, segments, decorations, branch mnemonics."""

from __future__ import annotations

from typing import Literal

from execmem_kernel.x86.operands import REX_PREFIXES

Syntax = Literal["intel", "att"]
PREFIXES = {
    "lock": "lock", "rep": "rep", "repe": "rep", "repz": "rep", "repne": "repne", "repnz": "repne",
    "xacquire": "xacquire",
    "xrelease": "xrelease", "notrack": "notrack", "bnd": "bnd", "data16": "data16", "addr32": "addr32",
    "rex64": "rex.w", "o64": "rex.w", "o16": "data16",
    "osp": "data16", "a32": "addr32", "asp": "addr32", "o32": "", "a64": "",
    **{name: name for name in REX_PREFIXES},
}  # fmt: skip
SIZES = {
    "byte": 1, "word": 2, "dword": 4, "fword": 6, "qword": 8, "mmword": 8, "tbyte": 10, "tword": 10, "oword": 16,
    "xmmword": 16, "dqword": 16,
    "ymmword": 32, "yword": 32, "qqword": 32, "zmmword": 64, "zword": 64, "real4": 4, "real8": 8, "real10": 10,
}  # fmt: skip
KEYWORDS = frozenset(("ptr", "offset", "flat", "short", "near", "far", "strict", "rel", "abs", "not", "wrt"))
"""Words that say something about the operand they stand in."""
ROUNDINGS = frozenset(("rn-sae", "rd-sae", "ru-sae", "rz-sae", "sae"))
BROADCASTS = {f"1to{count}": count for count in (2, 4, 8, 16, 32)}


_BRANCHES = frozenset(("call", "callq", "loop", "loope", "loopne", "loopz", "loopnz", "xbegin", "jmpq"))


def is_branch(mnemonic: str) -> bool:
    """Whether a plain address as the operand is where it goes."""
    return mnemonic[0] == "j" or mnemonic in _BRANCHES
