"""What people write who come from C, from another processor or another assembler, and what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from execmem_kernel.assembly.directives import DIRECTIVES, MASM_DATA
from execmem_kernel.assembly.expressions import Token
from execmem_kernel.assembly.forms import canonical_register, is_mnemonic, nearest_mnemonics

_BRANCH = "there is no `{}` in assembly: compare with cmp, then jump to a label with je, jne, jl, jg and the like"
_DATA = "data are `name: .long 5` (or .byte, .quad, .asciz), constants `name = 5`"
_FROM_C = {
    **dict.fromkeys(("if", "else", "elif", "while", "for", "until", "switch", "case", "endif", "endwhile"), _BRANCH),
    **dict.fromkeys(("char", "long", "double", "void", "unsigned", "var", "struct", "string", "float"), _DATA),
    **dict.fromkeys(("const", "let", "define", "constant"), "a constant is written `name = 5`"),
    **dict.fromkeys(
        ("printf", "puts", "scanf", "malloc", "exit", "putchar", "getchar"),
        "a function is called with `call {}`, its arguments in rdi, rsi, rdx, rcx, r8, r9",
    ),
    **dict.fromkeys(
        ("print", "write", "echo", "input", "read", "cout", "cin"),
        "there is no `{}`: make a system call with syscall, or call printf or puts",
    ),
    "return": "put the result into rax and write `ret`",
    "goto": "write `jmp` and a label",
    "break": "write `jmp` and a label behind the loop",
    "continue": "write `jmp` and the label of the loop",
    "function": "a function is a label, `name:`, and ends with ret",
    "def": "a function is a label, `name:`, and ends with ret",
    "include": "a cell reads no files: paste what is needed into the cell",
    "import": "name what lies elsewhere with `extern`",
    "move": "write `mov`",
    "jump": "write `jmp`",
    "compare": "write `cmp`",
    "increment": "write `inc`",
    "decrement": "write `dec`",
    "multiply": "write `imul`",
    "divide": "write `div` or `idiv`",
    "halt": "a program ends with ret; the processor's own word is `hlt`",
    "stop": "a program ends with ret",
    "macro": "a macro is `.macro name` to `.endm`, in NASM `%macro name 0` to `%endmacro`",
    "endm": "a macro is `.macro name` to `.endm`, in NASM `%macro name 0` to `%endmacro`",
    "invoke": "put the arguments into rdi, rsi, rdx, rcx, r8, r9 and write `call`",
    "disassembly": "of a disassembler's listing keep the instructions only",
    "mod": "div leaves the remainder in rdx",
    "pow": "multiply in a loop, or shift where it is a power of two",
    "sqrt": "sqrtsd works on xmm registers",
    "abs": "neg it where it is negative: cmp, jns and neg",
    **dict.fromkeys(("max", "min"), "cmp the two, then cmovl or cmovg"),
    "swap": "write `xchg`",
    "shift": "write `shl` or `shr`, or `sar` to keep the sign",
    "rotate": "write `rol` or `ror`",
    **dict.fromkeys(("nand", "nor"), "write `and` or `or`, then `not`"),
    **dict.fromkeys(("clear", "clr", "zero"), "`xor eax, eax` makes eax 0"),
    **dict.fromkeys(("copy", "put", "get", "set"), "write `mov`"),
    "interrupt": "write `int`",
    **dict.fromkeys(("movs", "movz", "movx"), "movzx fills up with zeros, movsx with the sign, mov copies"),
}
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
_EXTENSION = re.compile(r"mov([sz])([bwl])[wlq]")
_PLAIN_DIRECTIVES = [name for name in DIRECTIVES if name[0] != "."]


def other_processor(word: str) -> str:
    """Whose instruction a word is and what does the same here, or ""."""
    for processor, words in _ELSEWHERE.items():
        same = words.get(word.lower())
        if same is not None:
            return (
                f"`{word}` belongs to {processor}; here write {' and '.join(f'`{one}`' for one in same.split(' and '))}"
            )
    return ""


def unknown_word(word: str, behind: Sequence[Token]) -> str:
    """A hint for a word that begins a statement and is nothing known; `behind` are the tokens after it.

    "" says that nothing is known better than the nearest instructions.
    """
    lowered = word.lower()
    first = behind[0].text.lower() if behind else ""
    if first == "(" and lowered not in _FROM_C and not other_processor(word):
        return f"a function is called with `call {word}`, its arguments in rdi, rsi, rdx, rcx, r8, r9"
    if lowered in _FROM_C:
        return _FROM_C[lowered].format(word)
    if (elsewhere := other_processor(word)) != "":
        return elsewhere
    if (extension := _EXTENSION.fullmatch(lowered)) is not None:
        intel = "movzx" if extension[1] == "z" else "movsxd" if extension[2] == "l" else "movsx"
        return f"this is AT&T's name; in Intel syntax write `{intel}`"
    if first == "{":
        return f"there are no braces: a function is a label, `{word}:`, and ends with ret"
    if (cut := _missing_blank(word)) != "":
        return f"a blank is missing: `{cut}`"
    instructions = nearest_mnemonics(lowered)
    near = difflib.get_close_matches(lowered, _PLAIN_DIRECTIVES, n=1, cutoff=0.75)
    if near and behind and behind[0].kind in ("name", "string") and not instructions:
        return f"did you mean `{near[0]}`?"
    if first in (".equ", ".set", ".equiv") and len(behind) > 1:
        return f"write `{word} = {behind[1].text}`"
    if behind and ((first in DIRECTIVES and first[0] == ".") or first in MASM_DATA):
        return f"a label ends with a colon: `{word}: {behind[0].text if first[0] == '.' else '.' + first}`"
    if not behind and (not instructions or lowered in _LABELS):
        return f"for a label write `{word}:`"
    return ""


_LABELS = frozenset(("start", "begin", "main", "done", "end", "next", "again", "top", "finish", "exit", "label"))
"""Words that are hardly misspelt instructions."""


def _missing_blank(word: str) -> str:
    """`moveax` as `mov eax`, `int80h` as `int 80h`, `section.text` as `section .text`; "" for what is no such slip."""
    for length in range(len(word) - 1, 1, -1):
        head, tail = word[:length], word[length:]
        if tail[0] == "." and head.lower() in DIRECTIVES and tail.lower() in DIRECTIVES:
            return f"{head} {tail}"
        if is_mnemonic(head) and (canonical_register(tail) is not None or tail[0] in "0123456789"):
            return f"{head} {tail}"
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


def miscounted(mnemonic: str, given: int) -> str:
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


def miscounted_in(text: str, start: int, end: int) -> str:
    """What an instruction with a wrong number of operands was meant to be, by what its line looks like."""
    grouped = _GROUPED.search(text, start, end)
    if grouped is not None:
        return f"a number has no commas inside: write {grouped[0].replace(',', '')}"
    rest = text[end:].strip()
    if rest.startswith(";") and canonical_register(rest[1:].strip()) is not None:
        return "`;` begins a comment; operands are separated by commas"
    return ""


def unfit(mnemonic: str, register_size: int | None, *, vector: bool, number: bool, high: int | None) -> str:
    """A hint for an operand that an instruction does not take; `high` is the size of the first operand."""
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
