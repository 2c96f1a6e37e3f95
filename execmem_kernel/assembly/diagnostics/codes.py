"""The stable codes of all diagnostics, each with its meaning and a source that triggers it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

ENCODER_CODES = MappingProxyType(
    {
        "ASM100": ("No instruction has this name.", "mvo rax, 1"),
        "ASM101": ("The instruction, or this form of it, does not exist in 64-bit mode.", "pusha"),
        "ASM102": ("The instruction does not take operands of these kinds.", "shl eax, bl"),
        "ASM103": ("The size of the memory operand is missing.", "mov [rax], 1"),
        "ASM104": ("The instruction takes another number of operands.", "add rax"),
        "ASM105": ("One instruction cannot have two memory operands.", "mov qword ptr [rax], [rbx]"),
        "ASM106": ("A number cannot be the destination.", "mov 5, rax"),
        "ASM107": ("The sizes of the operands disagree.", "mov rax, ebx"),
        "ASM108": ("The number does not fit into the operand.", "mov al, 256"),
        "ASM109": ("lock needs an instruction that changes memory.", "lock add eax, 1"),
        "ASM110": ("ah, bh, ch and dh cannot be used beside a register that needs a REX prefix.", "mov ah, r8b"),
        "ASM111": ("rip is no operand; it only stands in brackets.", "add rip, 5"),
        "ASM115": ("The branch has no form of the length asked for.", "call short f\nf: ret"),
        "ASM116": ("The target is further away than the branch reaches.", "loop f\n.skip 200\nf: ret"),
        "ASM117": (
            "The address is further away than rip-relative addressing reaches.",
            "mov rax, [rel 0x7fff00000000]",
        ),
        "ASM118": ("The displacement of the address does not fit into 32 bits.", "mov rax, [rbx+0x80000000]"),
        "ASM120": ("The prefix does not go with the instruction.", "rep add eax, 1"),
        "ASM121": ("The instruction has no form that takes a mask.", "addps xmm0{k1}, xmm1"),
        "ASM122": ("Registers 16 to 31 need an AVX-512 form, and there is none.", "addps xmm16, xmm1"),
        "ASM123": ("The instruction does not take this rounding.", "vmovaps zmm0, zmm1, {rn-sae}"),
        "ASM124": ("The instruction does not take this broadcast.", "vaddps zmm0, zmm1, dword ptr [rax]{1to8}"),
        "ASM125": ("The mask has to be k1 to k7, and {z} needs one.", "vaddps zmm0{k0}, zmm1, zmm2"),
        "ASM126": ("The registers of a gather have to be different ones.", "vpgatherdd xmm1, [rax+xmm1*4], xmm2"),
        "ASM199": ("The assembler has no encoding that reads back as what was written; report it.", ""),
    }
)
"""Code -> what it means, and a source that triggers it (none for ASM199: no such source is known)."""


READER_CODES = MappingProxyType(
    {
        "ASM001": ("An invisible control character stands in the text.", "mov eax, 1\x01"),
        "ASM002": ("A character looks like another one that is meant.", "mov eax, –5"),
        "ASM003": ("A line begins with something that is neither a label, an instruction nor a directive.", "5"),
        "ASM004": ("A character that is not ASCII stands outside of comments and quotes.", "größe: ret"),
        "ASM006": ("A quote or a comment is never closed.", '.ascii "hello'),
        "ASM007": (
            "A backslash is followed by something that is no escape sequence.",
            "section .data\ndb `\\z`\nsection .text\nret",
        ),
        "ASM008": ("A text is too long, or too short, to be a number.", "mov rax, 'much too long'"),
        "ASM009": ("A number is not written as any number is.", "mov eax, 12abc"),
        "ASM010": ("Something is missing.", "mov eax,"),
        "ASM011": ("Something stands where it cannot stand.", "mov eax ebx"),
        "ASM012": ("A name is used like a function.", "mov eax, size(x)"),
        "ASM013": ("A bracket or a parenthesis has no partner.", "mov eax, [rax"),
        "ASM014": ("Square brackets stand where they cannot stand.", "mov eax, [rax+[rbx]]"),
        "ASM015": ("Assemblers disagree about which operator comes first.", "mov eax, 2 + 4 & 1"),
        "ASM016": ("An expression is nested too deep.", "mov eax, " + "(" * 200),
        "ASM017": ("A number is larger than any register.", "mov eax, 1" + "0" * 70),
        "ASM018": ("A number with a fraction stands where only whole numbers can.", "mov eax, 1.5"),
        "ASM019": ("A division by zero, or one whose sign is unclear.", "mov eax, 1/0"),
        "ASM020": ("AT&T syntax stands in a source in Intel syntax.", "movq $5, %rax"),
        "ASM021": ("rsp cannot be an index.", "lea rax, [rsp*2]"),
        "ASM022": ("A register stands where only a constant or an address can.", "mov rax, rbx+5"),
        "ASM023": ("The CPU cannot work out this address.", "lea rax, [rax-rbx]"),
        "ASM024": ("An address has too many registers.", "lea rax, [rax+rbx+rcx]"),
        "ASM025": ("A decoration in braces does not belong where it stands.", "vaddps zmm0{k9}, zmm1, zmm2"),
        "ASM026": ("An operand has two sizes.", "mov byte word ptr [rax], 1"),
        "ASM027": ("A size with ptr needs an address in brackets.", "mov rax, qword ptr rbx"),
        "ASM028": ("A far jump to an address does not exist in 64-bit mode.", "jmp far 0x1000"),
        "ASM029": ("A register is multiplied by something else than 1, 2, 4 or 8.", "lea rax, [rbx*7]"),
        "ASM030": ("This cannot be a label.", "2x: ret"),
        "ASM031": ("A label or a constant has the name of a register.", "rax: ret"),
        "ASM032": ("A prefix stands without an instruction.", "lock"),
        "ASM033": ("A label lacks its colon.", "start mov eax, 1"),
        "ASM034": ("Addresses are combined in a way that has no meaning.", "a: mov rax, offset a*2\nret"),
        "ASM035": ("A bare label could be its address or what is stored there.", "mov rax, x\nret\nx: .quad 1"),
        "ASM036": ("A number must be known here already, and is not.", ".align x\nx: ret"),
        "ASM037": ("A size depends on itself and never settles.", "a: .zero b-a+1\nb: ret"),
        "ASM038": ("Text behind // is a divisor to one assembler and a comment to another.", "mov eax, 10 // 3\nret"),
        "ASM040": ("A name is used that nothing defines.", "jmp nowhere"),
        "ASM041": ("A name is defined twice.", "a: nop\na: ret"),
        "ASM042": ("A constant is defined by way of itself.", ".set a, b\n.set b, a\nmov eax, a"),
        "ASM043": ("There is no such numeric label in this direction.", "jmp 1f"),
        "ASM044": ("There is no such register (AT&T).", ".att_syntax\nmov %rxx, %rax"),
        "ASM045": ("A relocation asks for a table that only a linker makes.", "mov rax, x@GOTTPOFF[rip]"),
        "ASM046": ("A register lacks its % (AT&T).", ".att_syntax\nmov rax, %rbx"),
        "ASM047": ("The size letter and a register disagree (AT&T).", ".att_syntax\nmovl %rax, %ebx"),
        "ASM048": ("The size letter asks for a stack of another width.", "retw"),
        "ASM050": ("There is no such directive.", ".bytes 5"),
        "ASM051": ("A directive lacks what it needs, or has something else.", ".string hello"),
        "ASM052": ("A directive closes something that was never opened.", ".endif"),
        "ASM053": ("A value does not fit into its place.", ".byte 256"),
        "ASM054": ("Instructions stand in memory that is not executable.", ".data\nmov eax, 1"),
        "ASM055": ("Data stand in .bss, which holds only zeros.", ".bss\n.byte 5"),
        "ASM056": ("A count or a size makes no sense.", ".skip -1"),
        "ASM057": ("An alignment is no power of two, or too large.", ".align 3"),
        "ASM058": ("The place of the code cannot be set.", "org 0x7c00"),
        "ASM059": ("The directive is refused, with the reason.", '.include "secret.s"'),
        "ASM060": ("The program, or what it expands to, has too many lines.", ".rept 1000000000\nnop\n.endr"),
        "ASM061": ("Macros are nested too deep.", ".macro a\na\n.endm\na"),
        "ASM062": ("The program would be larger than 1 MiB.", ".space 100000000"),
        "ASM063": ("The source itself asks to stop.", '.error "not yet"'),
        "ASM064": ("A line is too long.", "nop ;" + "x" * 10_001),
        "ASM065": ("A macro, a repetition or a condition is never closed.", ".rept 2\nnop"),
        "ASM066": ("A macro is called with the wrong number of arguments.", "%macro two 2\n%endmacro\ntwo 1"),
        "ASM080": ("The program runs past its end.", "mov eax, 1"),
        "ASM081": ("Nothing ever gets to an instruction.", "ret\nmov eax, 1\nret"),
        "ASM082": ("An unused label has the name of an instruction.", "mov eax, 1\nret:"),
        "ASM083": ("Nothing uses a label.", "nop\nhere: ret"),
        "ASM084": ("An instruction stands in a comment.", "mov eax, 1 ; mov ebx, 2\nret"),
        "ASM085": ("A number means one thing to GNU as and another to NASM.", "mov eax, 010\nret"),
        "ASM086": ("The source itself asks to warn.", '.warning "slow"\nret'),
        "ASM087": ("A backslash in plain quotes is a plain backslash to NASM.", 'mov eax, 5\nret\nx db "hi\\n"'),
        "ASM088": ("A backslash stands before a letter that it does not change.", '.ascii "\\e[0m"'),
        "ASM089": ("The name of a section ends with a colon.", "section .data:\ndb 1\nsection .text\nret"),
        "ASM090": ("A number without $ is an address (AT&T).", ".att_syntax\nmov 5, %rax\nret"),
        "ASM091": ("A place is given by a count of bytes (NASM).", "section .text\njmp $ + 4\ndb 'hi'\nret"),
        "ASM092": ("The program runs into data.", "mov eax, [x]\nx: .long 5\nret"),
        "ASM093": ("Something stands behind the end of the source.", "ret\nend\nmov eax, 1"),
    }
)
"""Code of the reader -> what it means, and a source that triggers it."""


def documented_codes() -> Mapping[str, tuple[str, str]]:
    """Every code there is -> what it means, and a source that triggers it."""
    return MappingProxyType({**READER_CODES, **ENCODER_CODES})
