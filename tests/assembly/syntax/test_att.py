"""AT&T syntax: the same instructions as in Intel syntax, written the other way round."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError

PAIRS = [
    ("movq %rsp, %rbp", "mov rbp, rsp"),
    ("mov %eax, %ebx", "mov ebx, eax"),
    ("movl $5, -4(%rbp)", "mov dword ptr [rbp-4], 5"),
    ("addq $8, 16(%rbx,%rcx,4)", "add qword ptr [rbx+rcx*4+16], 8"),
    ("leaq (%rdi,%rsi), %rax", "lea rax, [rdi+rsi]"),
    ("leaq 0(,%rdi,8), %rax", "lea rax, [rdi*8+0]"),
    ("movslq %edi, %rax", "movsxd rax, edi"),
    ("movzbl (%rdi), %eax", "movzx eax, byte ptr [rdi]"),
    ("movsbq %al, %rcx", "movsx rcx, al"),
    ("movswl 2(%rax), %edx", "movsx edx, word ptr [rax+2]"),
    ("movabsq $0x123456789abcdef0, %rax", "mov rax, 0x123456789abcdef0"),
    ("cltq", "cdqe"),
    ("cqto", "cqo"),
    ("cltd", "cdq"),
    ("pushq $5", "push 5"),
    ("popq %r12", "pop r12"),
    ("retq", "ret"),
    ("leave", "leave"),
    ("jmp *%rax", "jmp rax"),
    ("call *8(%rbx)", "call qword ptr [rbx+8]"),
    ("jmp *0x40(,%rax,8)", "jmp qword ptr [rax*8+0x40]"),
    ("shll $3, %eax", "shl eax, 3"),
    ("sarq %cl, %rdx", "sar rdx, cl"),
    ("shrl %eax", "shr eax, 1"),
    ("imulq $10, %rax, %rbx", "imul rbx, rax, 10"),
    ("testb %al, %al", "test al, al"),
    ("cmpl $100, (%rax)", "cmp dword ptr [rax], 100"),
    ("sete %al", "sete al"),
    ("cmovel %eax, %ebx", "cmove ebx, eax"),
    ("cmovge %rax, %rbx", "cmovge rbx, rax"),
    ("xchgq %rax, %rbx", "xchg rbx, rax"),
    ("rep stosq", "rep stosq"),
    ("repz cmpsb", "repe cmpsb"),
    ("movss (%rdi), %xmm0", "movss xmm0, [rdi]"),
    ("movsd %xmm1, 8(%rsp)", "movsd [rsp+8], xmm1"),
    ("cvtsi2sdl %eax, %xmm0", "cvtsi2sd xmm0, eax"),
    ("cvtsi2sdq (%rax), %xmm0", "cvtsi2sd xmm0, qword ptr [rax]"),
    ("cvttsd2siq %xmm0, %rax", "cvttsd2si rax, xmm0"),
    ("movd %edi, %xmm1", "movd xmm1, edi"),
    ("movq %rdi, %xmm1", "movq xmm1, rdi"),
    ("vaddps %zmm2, %zmm1, %zmm0{%k1}{z}", "vaddps zmm0{k1}{z}, zmm1, zmm2"),
    ("vaddps (%rax){1to16}, %zmm1, %zmm0", "vaddps zmm0, zmm1, dword ptr [rax]{1to16}"),
    ("vaddps {rn-sae}, %zmm2, %zmm1, %zmm0", "vaddps zmm0, zmm1, zmm2, {rn-sae}"),
    ("fldl 8(%rsp)", "fld qword ptr [rsp+8]"),
    ("fstpt (%rax)", "fstp tbyte ptr [rax]"),
    ("fildll (%rax)", "fild qword ptr [rax]"),
    ("fistps (%rax)", "fistp word ptr [rax]"),
    ("fxch %st(1)", "fxch st(1)"),
    ("movq %fs:0x28, %rax", "mov rax, fs:[0x28]"),
    ("movl %gs:8(%rbx), %ecx", "mov ecx, gs:[rbx+8]"),
    ("enter $16, $0", "enter 16, 0"),
    ("lock incl (%rax)", "lock inc dword ptr [rax]"),
    ("movl 0x1000, %ecx", "mov ecx, [0x1000]"),
    ("crc32b %al, %eax", "crc32 eax, al"),
    ("bswapl %eax", "bswap eax"),
    ("shldl $5, %eax, %ebx", "shld ebx, eax, 5"),
    ("lret", "retf"),
    ("lretq", "retfq"),
    ("movb $'a', (%rax)", "mov byte ptr [rax], 'a'"),
    ("int $0x80", "int 0x80"),
    ("outb %al, $0x20", "out 0x20, al"),
    ("mulq (%rax)", "mul qword ptr [rax]"),
    ("notl %ecx", "not ecx"),
    ("rep; ret", "rep ret"),
]


@pytest.mark.parametrize(("att", "intel"), PAIRS)
def test_an_instruction_says_the_same_in_both_syntaxes(att: str, intel: str) -> None:
    assert assemble(att, syntax="att").code == assemble(intel).code


def test_the_names_that_gnu_as_exchanges_are_exchanged() -> None:
    assert assemble("fsubp %st, %st(1)", syntax="att").code.hex() == "dee1"
    assert assemble("fsubrp %st, %st(1)", syntax="att").code.hex() == "dee9"
    assert assemble("fdiv %st, %st(2)", syntax="att").code == assemble("fdivr st(2), st").code
    assert assemble("fsub %st(2), %st", syntax="att").code == assemble("fsub st, st(2)").code


def test_syntax_can_be_switched_on_the_way() -> None:
    assert assemble(".att_syntax\nmovl $1, %eax\n.intel_syntax noprefix\nmov eax, 1").code.hex() == "b801000000" * 2


def test_labels_data_and_relative_addresses_are_as_in_gnu_as() -> None:
    program = assemble("movq x(%rip), %rax\nmovl $x, %ecx\nje 1f\ncall f\n1: ret\nf: ret\nx: .quad f", syntax="att")
    assert program.code[:7].hex() == "488b050e000000"
    assert program.code[-8:] == program.labels["f"].to_bytes(8, "little")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("movl %rax, %ebx", "ASM047"),
        ("movzbl %ax, %ebx", "ASM047"),
        ("mov rax, %rbx", "ASM046"),
        ("mov %rxx, %rax", "ASM044"),
        ("movl 8(%rsp, %eax", "ASM013"),
        ("mov $5, $6", "ASM106"),
        ("mov %rax %rbx", "ASM011"),
        ("mov %rax,", "ASM010"),
        ("mov (%rax), (%rbx)", "ASM105"),
        ("frob %rax", "ASM100"),
        ("mov $5, (%rax)", "ASM103"),
        ("lea (%rax,%rsp,2), %rbx", "ASM021"),
        ("lea (%rax,%rbx,3), %rbx", "ASM029"),
        ("mov % rax, %rbx", "ASM011"),
    ],
)
def test_what_has_no_meaning_is_refused(source: str, code: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(source, syntax="att")
    assert caught.value.diagnostics[0].code == code


def test_a_star_stands_only_before_the_target_of_a_jump() -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble("movl $2, *%esi", syntax="att")
    (found,) = caught.value.diagnostics
    assert (found.code, found.column) == ("ASM011", 10)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("addq %rax, $5", ["`addq $5, %rax`", "form: add"]),
        ("movl (%rax), (%rbx)", ["through a register"]),
        ("leaq %rbx, %rax", ["its first operand", "(%rax)", "form: lea m, r64"]),
        ("mov $5, (%rax)", ["`movb`", "`movq`"]),
        ("push %eax", ["`push %rax`"]),
        ("addq $0x1122334455, %rax", ["`mov $0x1122334455, %rcx`"]),
        ("imulq %rax, $5, %rbx", ["its second operand", "`imul $5, %rax, %rbx`"]),
        ("mov %ebx, %rax", ["`%rax` has 64 bits", "`mov %ebx, %eax`", "form: mov r64, r/m64"]),
        ("movq $5, [%rax]", ["8(%rax)"]),
    ],
)
def test_what_is_wrong_is_told_in_the_order_and_the_words_of_att_syntax(source: str, words: list[str]) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(source, syntax="att")
    told = str(caught.value.diagnostics[0])
    assert [word for word in words if word not in told] == [], told


def test_a_number_without_its_dollar_is_pointed_out() -> None:
    program = assemble("mov 5, %rax\ncmpl $1, 8\nmov $5, %rax\nmov %fs:8, %rax\njmp *8", syntax="att")
    assert [(warning.code, warning.line) for warning in program.warnings if warning.code == "ASM090"] == [
        ("ASM090", 1),
        ("ASM090", 2),
    ]


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("cvtsi2sd %rax, %xmm0", "f2480f2ac0"),
        ("cvtsi2sd %eax, %xmm0", "f20f2ac0"),
        ("cvtsi2ss %r10, %xmm3", "f3490f2ada"),
        ("vcvtsi2sd %rax, %xmm1, %xmm0", "c4e1f32ac0"),
        ("cvtsi2sd (%rax), %xmm0", "f20f2a00"),
        ("cvtsi2sdq (%rax), %xmm0", "f2480f2a00"),
    ],
)
def test_a_conversion_without_a_letter_has_the_size_of_its_register(source: str, code: str) -> None:
    assert assemble(source, syntax="att").code.hex() == code
