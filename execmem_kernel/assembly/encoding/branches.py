"""Direct branches, encoded here from the Intel SDM: short and near forms and their reach."""

from __future__ import annotations

from execmem_kernel.x86.operands import Encoding, Operation, Refusal, Target

_CONDITIONS = ("o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g")
_BRANCHES: dict[str, tuple[bytes, bytes]] = {
    "jmp": (b"\xeb", b"\xe9"),
    "call": (b"", b"\xe8"),
    "loopne": (b"\xe0", b""),
    "loope": (b"\xe1", b""),
    "loop": (b"\xe2", b""),
    "jrcxz": (b"\xe3", b""),
    "jecxz": (b"\x67\xe3", b""),
    "xbegin": (b"", b"\xc7\xf8"),
    **{f"j{name}": (bytes([0x70 + n]), bytes([0x0F, 0x80 + n])) for n, name in enumerate(_CONDITIONS)},
}
"""Direct branch -> opcode of the short form and of the near form, empty where there is none.

Source: Intel SDM vol. 2, JMP, Jcc, LOOPcc, CALL, XBEGIN.
"""
_PREFIXES = {"bnd": b"\xf2", "repne": b"\xf2", "notrack": b"\x3e", "cs": b"\x2e", "ds": b"\x3e"}


def encode_branch(operation: Operation, target: Target) -> Encoding | Refusal:
    """The bytes of a branch to a label: in the form asked for, or in the shortest that reaches."""
    short, near = _BRANCHES.get(operation.mnemonic, (b"", b""))
    if not short and not near:
        return Refusal("ASM102", f"`{operation.mnemonic}` does not go to a label.", 0)
    prefix = b""
    for name in operation.prefixes:
        if name not in _PREFIXES:
            return Refusal("ASM120", f"The prefix `{name}` does not go with `{operation.mnemonic}`.", None)
        prefix += _PREFIXES[name]
    distance = target.address - (operation.address + len(prefix) + len(short) + 1)
    if target.form == "short" or (target.form is None and short and (not near or -128 <= distance <= 127)):
        return _short_branch(operation, prefix + short if short else b"", distance, has_near=bool(near))
    return _near_branch(operation, prefix + near if near else b"", target)


def _short_branch(operation: Operation, opcode: bytes, distance: int, *, has_near: bool) -> Encoding | Refusal:
    """A branch with a displacement of one byte; `opcode`, with its prefixes, is empty where there is no such form."""
    if not opcode:
        return Refusal("ASM115", f"`{operation.mnemonic}` has no short form.", 0, "leave out `short`")
    if not -128 <= distance <= 127:
        return Refusal(
            "ASM116",
            f"The target is {distance:+,} bytes away; `{operation.mnemonic}` reaches -128 to +127 from its end.",
            0,
            "" if has_near else f"jump over a jmp instead: `{operation.mnemonic}` has no longer form",
        )
    return Encoding(opcode + distance.to_bytes(1, "little", signed=True))


def _near_branch(operation: Operation, opcode: bytes, target: Target) -> Encoding | Refusal:
    """A branch with a displacement of four bytes; `opcode`, with its prefixes, is empty where there is no such form."""
    if not opcode:
        return Refusal("ASM115", f"`{operation.mnemonic}` has no near form.", 0, "leave out `near`")
    distance = target.address - (operation.address + len(opcode) + 4)
    if not -(1 << 31) <= distance < 1 << 31:
        return Refusal(
            "ASM116",
            "The target is more than 2 GiB away, further than a jump or call reaches.",
            0,
            "load the address into a register and jump to that",
        )
    return Encoding(opcode + distance.to_bytes(4, "little", signed=True))
