"""Which of several words is meant most often: the order of a list of completions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from execmem_kernel.program.externs import FAMILIAR

_COMMON = """
mov ret lea add xor call jmp push pop cmp inc sub dec syscall test and or movzx movsx imul shl shr jne je jnz jz
jl jle jg jge jb jbe ja jae not neg mul div idiv cqo cdq movaps movsxd movsd addsd mulsd subsd divsd movss addss mulss
sar rol ror bt setz sete setne setnz setl setg leave nop xchg cmove cmovne cmovz cmovnz cmovl cmovg cmovle cmovge
rep loop movsb movsq stosb stosq lodsb scasb cmpsb js jns jc jnc popcnt bsf bsr tzcnt lzcnt bswap
movq movd movups movdqu movdqa pxor paddd addps mulps subps divps sqrtsd sqrtss cvtsi2sd cvttsd2si cvtsd2si cvtss2sd
cvtsd2ss comisd comiss ucomisd ucomiss xorps xorpd shufps pshufd adc sbb setc setb seta setbe setae cmovc cmovb cmova
cld std clc stc cdqe cwde cmpxchg xadd lock int int3 ud2 cpuid rdtsc fld fstp fild fistp fadd fmul fsub fdiv finit
vmovaps vmovups vaddps vmulps vaddpd vmulpd vxorps vzeroupper vpaddd vpxor vbroadcastss vfmadd231ps vfmadd213ps
jrcxz jecxz andn bextr blsr blsi pext pdep bts btr btc shld shrd enter xlatb
movsw lodsw lodsd lodsq stosw stosd scasw repe repne repz repnz mfence lfence pause
"""
"""The mnemonics and prefixes that people write most, counted in programs of courses and textbooks."""
_DIRECTIVES = """
section global default .data .text .globl .section .intel_syntax .asciz .string .byte .quad .long .word .ascii .bss
.rodata .global .equ .set .align .zero .skip .space .macro .endm .rept .endr .if .else .endif .float .double .att_syntax
db dd dq dw equ resb resq resd resw times extern align bits %define %macro %endmacro %rep %endrep %assign %if %else
%endif .code .const proc endp end segment public extrn byte dword qword word
.extern .p2align .balign .fill .int .short .octa .popsection .pushsection .irp .irpc .ifdef .ifndef .elseif
struc endstruc istruc iend at %undef %ifdef %ifndef %elif
"""
_FUNCTIONS = "puts printf putchar malloc free exit strlen strcmp strcpy memcpy memset scanf getchar atoi calloc qsort"

_RANK: Mapping[str, int] = MappingProxyType(
    {
        **{word: index + 20 for index, word in enumerate(_DIRECTIVES.split())},
        **{word: index for index, word in enumerate(_COMMON.split())},
    }
)
"""Word -> its place; the first directives stand among the first instructions."""
_RARE = 400
_USED = 12
"""How many places a word wins for each time that the cell has it, twice at most."""


def rank_of(word: str, used: Mapping[str, int]) -> int:
    """The place of a mnemonic or a directive among those that begin alike; the smallest comes first.

    Args:
        word: In lower case.
        used: How often the cell has each word.
    """
    return _RANK.get(word, _RARE) - _USED * min(used.get(word, 0), 2)


_SIGN_OR_ZERO = MappingProxyType(
    {"je": "jz", "jne": "jnz", "sete": "setz", "setne": "setnz", "cmove": "cmovz", "cmovne": "cmovnz"}
)
_EQUAL = MappingProxyType({zero: equal for equal, zero in _SIGN_OR_ZERO.items()})


def after(previous: str, word: str) -> int:
    """What a jump loses by the instruction before it: people compare and ask "equal?", count and ask "zero?"."""
    if previous in ("cmp", "test") and word == "jmp":
        return 30
    if previous == "test" and word == "jnz":
        return 2
    if previous == "cmp" and word in _EQUAL:
        return 10
    if previous in ("dec", "inc", "sub", "test", "and", "add", "or", "xor") and word in _SIGN_OR_ZERO:
        return 10
    return 0


C_FUNCTIONS = tuple(dict.fromkeys((*_FUNCTIONS.split(), *sorted(FAMILIAR))))
"""Functions of the C library that programs call, those of textbooks first."""


def is_common(word: str) -> bool:
    """Whether a word is among those that are offered before anything is typed."""
    return word in _RANK
