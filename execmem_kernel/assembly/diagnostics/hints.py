"""Fix-it hints for habits from C, from other processors and from other assemblers."""

from __future__ import annotations

import re

from execmem_kernel.x86.registers import canonical_register

_ELSEWHERE = {
    "ARM": {
        "ldr": "mov eax, [rbx]", "ldrb": "movzx eax, byte ptr [rbx]", "ldp": "mov", "strb": "mov [rbx], al",
        "stp": "mov", "b": "jmp", "bl": "call", "blr": "call", "bx": "ret", "cbz": "test and jz",
        "cbnz": "test and jnz",
        "adr": "lea", "adrp": "lea", "svc": "syscall", "swi": "syscall", "eor": "xor", "orr": "or", "mvn": "not",
        "lsr": "shr", "asr": "sar", "rsb": "neg and add", "subs": "sub", "adds": "add", "udiv": "div", "sdiv": "idiv",
    },
    "MIPS and RISC-V": {
        "lw": "mov eax, [rbx]", "lb": "movsx eax, byte ptr [rbx]", "lbu": "movzx eax, byte ptr [rbx]",
        "sw": "mov [rbx], eax", "li": "mov", "la": "lea", "mv": "mov", "addi": "add", "addiu": "add", "addu": "add",
        "subu": "sub", "andi": "and", "ori": "or", "xori": "xor", "sll": "shl", "srl": "shr", "sra": "sar",
        "jal": "call", "jr": "ret", "jalr": "call", "ecall": "syscall", "beqz": "test and jz", "bnez": "test and jnz",
        "slt": "cmp and setl",
        "rem": "div",
    },
    "Y86-64": {
        "irmovq": "movq $5, %rax", "rrmovq": "movq %rax, %rbx", "mrmovq": "movq (%rbx), %rax",
        "rmmovq": "movq %rax, (%rbx)", "iaddq": "addq $5, %rax",
    },
    "other processors": {
        "beq": "cmp and je", "bne": "cmp and jne", "blt": "cmp and jl", "ble": "cmp and jle", "bgt": "cmp and jg",
        "bge": "cmp and jge", "br": "jmp", "bra": "jmp", "j": "jmp", "djnz": "dec and jnz", "cjne": "cmp and jne",
        "mvi": "mov", "lxi": "mov", "load": "mov eax, [rbx]", "store": "mov [rbx], eax", "lda": "mov al, [rbx]",
        "sta": "mov [rbx], al", "jsr": "call", "rts": "ret",
    },
}  # fmt: skip


def other_processor(word: str) -> str:
    """Whose instruction a word is and what does the same here, or ""."""
    for processor, words in _ELSEWHERE.items():
        same = words.get(word.lower())
        if same is not None:
            return (
                f"`{word}` belongs to {processor}; here write {' and '.join(f'`{one}`' for one in same.split(' and '))}"
            )
    return ""


_ONE_OPERAND = {
    "mul": "`mul rbx` multiplies rax by rbx, into rdx:rax; `imul rax, rbx` takes two registers",
    "div": "`div rbx` divides rdx:rax by rbx: the quotient goes into rax, the remainder into rdx",
    "idiv": "`idiv rbx` divides rdx:rax by rbx; cqo fills rdx with the sign of rax before",
    "push": "push one thing at a time",
    "pop": "pop one thing at a time",
    "call": "arguments of a function go into rdi, rsi, rdx, rcx, r8, r9",
    "jmp": "write cmp before it and je, jl, ... where there is a condition",
    "syscall": "its number goes into rax, its arguments into rdi, rsi, rdx, r10, r8, r9",
    "ret": "the result stays in rax: write `ret` alone",
    "int": "its number is its only operand; the rest goes into registers",
    "cmp": "name what to compare with, for example `cmp rax, 0`",
    "test": "`test rax, rax` sets the flags by rax",
    "xor": "`xor eax, eax` makes eax 0",
}


def wrong_operand_count(mnemonic: str, given: int) -> str:
    """A hint for an instruction with too many operands, or too few."""
    if mnemonic in ("add", "sub", "and", "or", "xor") and given == 3:
        sum_ = ", or `lea rax, [rbx + rcx]` for a sum" if mnemonic == "add" else ""
        return f"the result goes into the first operand: `mov rax, rbx`, then `{mnemonic} rax, rcx`{sum_}"
    if mnemonic in ("cmp", "test", "xor"):
        return _ONE_OPERAND[mnemonic] if given == 1 else ""
    if mnemonic[0] == "j" and mnemonic != "jmp" and given > 1:
        return "it takes a label only; cmp before it says what is compared"
    return _ONE_OPERAND.get(mnemonic, "") if given else ""


_GROUPED = re.compile(r"(?<![\w.])[0-9]{1,3}(?:,[0-9]{3})+(?![\w.])")


def wrong_operand_count_in_line(text: str, start: int, end: int) -> str:
    """What an instruction with a wrong number of operands was meant to be, by what its line looks like.

    Args:
        text: The line.
        start: The first column of the instruction.
        end: The column behind its last operand.
    """
    grouped = _GROUPED.search(text, start, end)
    if grouped is not None:
        return f"a number has no commas inside: write {grouped[0].replace(',', '')}"
    rest = text[end:].strip()
    if rest.startswith(";") and canonical_register(rest[1:].strip()) is not None:
        return "`;` begins a comment; operands are separated by commas"
    return ""


def unsuitable_operand(
    mnemonic: str, register_size: int | None, *, vector: bool, number: bool, high: int | None
) -> str:
    """A hint for an operand that an instruction does not take.

    Args:
        mnemonic: The instruction.
        register_size: Bytes of the operand, where it is a general register.
        vector: Whether it is a vector register.
        number: Whether it is a constant.
        high: Bytes of the first operand, where it is a general register.
    """
    if mnemonic in ("push", "pop") and register_size == 1:
        return "the stack takes 64 bits (or 16): widen it first, `movzx eax, al`, then `push rax`"
    if mnemonic in ("push", "pop") and vector:
        return "make room with `sub rsp, 16` and move it there with movups"
    if mnemonic in ("movzx", "movsx") and register_size is not None and register_size == high:
        return "it widens a smaller operand: of one size, write `mov`"
    if mnemonic in ("movzx", "movsx") and number:
        return "a number needs no widening: write `mov`"
    if mnemonic.startswith("cmov") and register_size == 1:
        return "there is none for bytes: use the 32-bit registers"
    if mnemonic.startswith("cmov") and number:
        return "put the number into a register first"
    if mnemonic in ("movsd", "movss") and register_size in (4, 8):
        move = "movq xmm0, rax" if mnemonic == "movsd" else "movd xmm0, eax"
        return f"`{move}` moves the bits, `cvtsi2{mnemonic[3:]} xmm0, eax` converts the number"
    if mnemonic in ("movaps", "movups", "movapd", "movupd", "movdqa", "movdqu") and register_size is not None:
        return "movd moves 32 bits between these registers, movq 64"
    if mnemonic[-2:] in ("ss", "sd", "ps", "pd") and not mnemonic.startswith("cvt"):
        if number:
            return "it takes no constants: put the number into memory with .double or .float"
        if register_size is not None:
            single = mnemonic[-2:] in ("ss", "ps")
            return f"it works on xmm registers: `cvtsi2{'ss' if single else 'sd'} xmm0, eax` converts a whole number"
    if mnemonic.startswith("cvtsi2") and number:
        return "put the number into a register first"
    if mnemonic[0] == "f" and (number or (register_size is not None and not vector)):
        return "the x87 registers are loaded from memory: `fld qword ptr [x]`, `fild dword ptr [x]`"
    return ""


_IN_NASM = (
    (
        "write a numeric label, `1:`, and jump to `1b` or `1f`",
        "put the repetition into a macro, where `%%name:` is new in every call",
    ),
    ("write .text before them", "write `section .text` before them"),
    ("write .data before it", "write `section .data` before it"),
    ("with .double or .float", "with dq or dd"),
    ("use .ascii or db for text", "use db for text"),
    ("`.byte 5`, `.long 5` or `.quad 5` (db, dd or dq in NASM)", "`db 5`, `dd 5` or `dq 5`"),
    ("`name: .long 5` (or .byte, .quad, .asciz)", "`name: dd 5` (or db, dw, dq)"),
    ("`name = 5`", "`name equ 5`"),
    ("for example: SIZE = 8", "for example: SIZE equ 8"),
    ("a comment begins with `#` or `;`", "a comment begins with `;`"),
    ("add .endif or %endif", "add %endif"),
    ("add `%endm` or `%endmacro`", "add `%endmacro`"),
    (" ptr [", " ["),
    (" ptr`", "`"),
    ("`offset ", "`"),
)  # fmt: skip


def in_nasm(text: str) -> str:
    """Advice in the spelling of NASM."""
    for ours, theirs in _IN_NASM:
        if ours in text:
            text = text.replace(ours, theirs)
    return text
