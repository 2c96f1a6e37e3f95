"""Intel syntax, in the spellings of GNU as, NASM and MASM together."""

from __future__ import annotations

import pytest

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.errors import AssemblyError


def refused(source: str) -> str:
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize(
    ("spellings", "code"),
    [
        (("mov rax, [rbx]", "mov rax, qword [rbx]", "mov rax, qword ptr [rbx]", "MOV RAX, QWORD PTR [RBX]",
        "mov rax, [(rbx)]", "mov rax,[ rbx ]"), "488b03"),
        (("inc byte [rax]", "inc byte ptr [rax]", "inc BYTE PTR [rax]"), "fe00"),
        (("movzx eax, byte [rdi]", "movzx eax, byte ptr [rdi]"), "0fb607"),
        (("lea rax, [rax+rsp]", "lea rax, [rsp+rax]", "lea rax, [rsp+rax*1]"), "488d0404"),
        (("mov eax, [rbx+40]", "mov eax, [rbx+5*8]", "mov eax, 40[rbx]", "mov eax, [rbx][40]", "mov eax, [rbx]+40",
        "mov eax, [40+rbx]", "mov eax, [rbx - -40]"), "8b4328"),
        (("mov eax, [rax+rcx*4-4]", "mov eax, DWORD PTR [rax-4+rcx*4]", "mov eax, -4[rax+rcx*4]",
        "mov eax, [rax][rcx*4][-4]", "mov eax, [4*rcx+rax-4]", "mov eax, [rax+(rcx*2)*2-4]"), "8b4488fc"),
        (("mov rbx, fs:[0x28]", "mov rbx, fs:0x28", "mov rbx, [fs:0x28]", "mov rbx, qword ptr fs:[0x28]",
        "mov rbx, qword [fs:28h]"), "64488b1c2528000000"),
        (("mov rbx, [0x1000]", "mov rbx, [abs 0x1000]", "mov rbx, [1000h]"), "488b1c2500100000"),
        (("mov rax, [rip+0]", "mov rax, [rip]", "mov rax, 0[rip]"), "488b0500000000"),
        (("mov rax, [eip+16]",), "67488b0510000000"),
        (("lea rax, [rbx*3]", "lea rax, [rbx+rbx*2]", "lea rax, [rbx*2+rbx]"), "488d045b"),
        (("fld st(1)", "fld st1"), "d9c1"),
        (("mov r8b, 1", "mov r8l, 1"), "41b001"),
        (("ret", "retn", "retq"), "c3"),
        (("pushf", "pushfq"), "9c"),
        (("vaddps zmm0{k1}{z}, zmm1, zmm2", "vaddps zmm0 {k1} {z}, zmm1, zmm2"), "62f174c958c2"),
        (("vaddps zmm0, zmm1, zmm2, {rn-sae}", "vaddps zmm0, zmm1, zmm2{rn-sae}"), "62f1741858c2"),
        (("vaddps zmm0, zmm1, [rax]{1to16}", "vaddps zmm0, zmm1, dword [rax]{1to16}"), "62f1745858 00".replace(" ",
        "")),
        (("vmovdqu64 zmm0, [rax+64]",), "62f1fe486f4001"),
        (("mov [rdi], byte 5", "mov byte [rdi], 5"), "c60705"),
        (("cmp [rax], dword 0", "cmp dword ptr [rax], 0"), "833800"),
        (("rep movsb", "REP MOVSB"), "f3a4"),
        (("lock inc qword ptr [rax]", "lock inc qword [rax]"), "f048ff00"),
        (("movs byte ptr [rdi], byte ptr [rsi]", "movsb"), "a4"),
        (("push word 5", "pushw 5"), "666a05"),
        (("jmp $", "a: jmp a", "jmp .", "a: jmp short a", "@@: jmp @b", "jmp short $", "1: jmp 1b"), "ebfe"),
        (("a: jmp near a",), "e9fbffffff"),
        (("a: call a", "call $"), "e8fbffffff"),
        (("jmp qword ptr [rax]", "jmp [rax]", "jmp qword [rax]"), "ff20"),
    ],
)  # fmt: skip
def test_the_same_instruction_in_several_spellings(spellings: tuple[str, ...], code: str) -> None:
    for spelling in spellings:
        assert assemble(spelling).code.hex() == code, spelling


@pytest.mark.parametrize(
    ("source", "code"),
    [
        # What Keystone takes in silence, and means something else by.
        ("lea rax,[rsp*2]", "ASM021"), ("lea rax,[rsp+rsp]", "ASM021"), ("lea rax,[rsp*1+rax]", "ASM021"),
        ("mov rax,[rip+rax]", "ASM023"),
        ("mov rax,(rbx)", "ASM022"), ("mov rax,5+rbx", "ASM022"), ("mov eax,[rax", "ASM013"), ("mov eax,[",
        "ASM010"), ("call [", "ASM010"),
        ("push 0x1d1d1d1d1d1d1d1d", "ASM108"), ("mov rax,[rbx+0x80000000]", "ASM118"), ("mov al,256", "ASM108"),
        ("mov ax,0x12345", "ASM108"),
        ("mov byte ptr [rax],256", "ASM108"), ("ret 0x10000", "ASM108"), ("pop rip", "ASM111"), ("jmp rip",
        "ASM111"), ("add rip,5", "ASM111"),
        ("mov ah, r8b", "ASM110"), ("mov sil,ah", "ASM110"), ("mov eax,1.5", "ASM018"), (".float 0x3f800000",
        "ASM053"), (".align 3", "ASM057"),
        ("mov eax,1\0mov ebx,2", "ASM001"), ("into", "ASM101"), ("lock nop", "ASM109"), ("rep", "ASM032"),
        ("mov rax, qword ptr rbx", "ASM027"), ("mov rax, ptr [rbx]", "ASM027"), ("lea rax,[rax-rbx]", "ASM023"),
        ("lea rax,[rax*16]", "ASM029"),
        ("lea rax,[rax+ebx]", "ASM023"), ("lea rax,[bx]", "ASM023"), ("lea rax,[al]", "ASM023"),
        ("lea rax,[rax+rbx+rcx]", "ASM024"),
        ("lea rax,[rax*2+rbx*4]", "ASM024"), ("mov byte word ptr [rax], 1", "ASM026"), ("mov rax, [[rax]]",
        "ASM014"), ("mov eax,,5", "ASM010"),
        ("mov eax 5", "ASM011"), ("mov eax, 5,", "ASM010"), ("rax: ret", "ASM031"), ("rax equ 5", "ASM031"),
        ("2x: ret", "ASM030"), ("rax, rbx", "ASM003"),
        ("hello world", "ASM100"), ("start mov eax, 1", "ASM033"), ("retw", "ASM048"), ("callw f\nf: ret", "ASM048"),
        ("mov rax, #5", "ASM010"), ("mov %rax, %rbx", "ASM020"), ("mov $5, %eax", "ASM020"),
        ("movq 8(%rsp), %rax", "ASM020"), ("mov [rax], 5", "ASM103"), ("mov rax, ebx", "ASM107"),
        ("vaddps zmm0{k9}, zmm1, zmm2", "ASM025"),
        ("{1to8} nop", "ASM011"), ("mov {1to8} eax, 1", "ASM025"), (".bytes 5", "ASM050"), (".string hello",
        "ASM051"), (".byte 1 2", "ASM011"),
        (".byte -129", "ASM053"), ("dw 70000", "ASM053"), (".data\nmov eax, 1", "ASM054"), (".bss\n.byte 1",
        "ASM055"), ("jmp far 0x1000", "ASM028"),
        ("mov rax, x@GOTTPOFF[rip]", "ASM045"), ("bits 32", "ASM059"), (".code32", "ASM059"), ("org 0x7c00",
        "ASM058"), (". = 5", "ASM058"),
    ],
)  # fmt: skip
def test_what_has_no_meaning_is_refused(source: str, code: str) -> None:
    assert refused(source) == code


def test_a_name_before_a_data_word_is_a_label_with_or_without_colon() -> None:
    assert assemble("x db 1\ny: db 2\nz dw 3").labels.keys() == {"x", "y", "z"}


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("db 1, 'ab', \"c\", 0", "0161626300"), ("dw 'ab', 'abc'", "616261626300"), ("dd 1.5", "0000c03f"),
        ("dq -1.5", "000000000000f8bf"),
        ("dt 1.0", "0000000000000080ff3f"), ("times 3 db 7", "070707"), ("times 2 dw 1, 2", "0100020001000200"),
        ("resb 3", "000000"),
        ("db 4 dup (9)", "09090909"), ("db 2 dup (1, 'a')", "01610161"), ("dd ?", "00000000"), (".octa 1",
        "01" + "00" * 15),
        (".fill 2, 4, 0x90", "9000000090000000"), (".fill 3", "000000"), (".asciz \"a\", \"b\"", "61006200"),
        (".double 0.1", "9a9999999999b93f"),
        (".float 1e-50", "00000000"), (".uleb128 624485", "e58e26"), (".sleb128 -123456", "c0bb78"), (".skip 2, 5",
        "0505"), ("do 1", "01" + "00" * 15),
        (".short -1", "ffff"), (".value 1", "0100"), (".hword 2", "0200"), (".quad 'A'", "4100000000000000"),
        ("dq __Infinity__", "000000000000f07f"),
    ],
)  # fmt: skip
def test_data_in_every_spelling(source: str, code: str) -> None:
    assert assemble(source).code.hex() == code


@pytest.mark.parametrize(
    "source",
    [
        "ret ; x",
        "ret # x",
        "ret // x",
        "ret /* x */",
        "/* x */ ret",
        "ret ;",
        "ret ; don't",
        'ret # "',
        "/* a\nb */ ret",
        "ret /* a\nb\nc */",
        "ret ; – x",
    ],
)
def test_comments_in_every_style(source: str) -> None:
    assert assemble(source).code.hex() == "c3"


def test_comment_signs_in_quotes_are_text() -> None:
    assert assemble('.ascii ";#//"').code == b";#//"
    assert assemble("db ';', '#', '/*', 0").code == b";#/*\0"


def test_semicolons_separate_where_the_source_is_declared_gnu_and_comment_elsewhere() -> None:
    assert assemble(".intel_syntax noprefix\nmov eax, 1; mov ebx, 2; ret # end").code.hex() == "b801000000bb02000000c3"
    assert assemble(".intel_syntax noprefix\nmov eax, 1 ; the first").code.hex() == "b801000000"
    assert assemble("movl $1, %eax; ret", syntax="att").code.hex() == "b801000000c3"
    assert assemble("bits 64\nmov eax, 1 ; ret").code.hex() == "b801000000"


@pytest.mark.parametrize(
    ("text", "code", "plain"),
    [
        ("mov eax, –5", "ASM002", "`-`"), ("mov eax， 5", "ASM002", "`,`"),
        ("mоv eax, 5", "ASM002", "`o`"),
        ("db “hi”", "ASM002", '`"`'), ("ｍov eax, 5", "ASM002", "`m`"), ("größe: ret", "ASM004", "a-z"),
        ("mov eax, 5 ; \u202e x", "ASM001", "delete"),
        ("mov eax, 5\x07", "ASM001", "delete"), ("\ufeffmov eax, 5", "ASM002", "space"), ("mov eax, \ud800",
        "ASM001", "delete"),
    ],
)  # fmt: skip
def test_characters_that_deceive_are_explained(text: str, code: str, plain: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(text)
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert plain in found.message + found.hint


def test_at_t_syntax_typed_by_mistake_is_translated_in_the_hint() -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble("addq $8, 16(%rbx,%rcx,4)")
    assert "add qword ptr [rbx + rcx*4 + 16], 8" in caught.value.diagnostics[0].hint


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("loop_start: nop\njmp lop_start", "`loop_start`"), (".asciiz \"x\"", "`.asciz`"), ("mov rxa, 1", "rax"),
        ("mvo rax, 1", "mov"),
        ("mov eax, ffh", "0xff"), ("jmp 1f", ""), ("mov eax, 0a", "0x0a"),
    ],
)  # fmt: skip
def test_the_nearest_name_is_offered(source: str, hint: str) -> None:
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    assert hint in caught.value.diagnostics[0].hint


def test_a_prefix_may_stand_on_a_line_of_its_own() -> None:
    assert assemble("rep\nmovsb\nret").code.hex() == "f3a4c3"
    assert assemble("again: lock  # atomically\n\n inc dword ptr [rdi]\njmp again").code.hex() == "f0ff07ebfb"
    assert refused("lock\nx: ret") == "ASM032"
    assert refused("nop\nrep") == "ASM032"


def test_movabs_means_the_whole_address_of_a_label() -> None:
    source = ".intel_syntax noprefix\nmovabs al, [x]\nmovabs x, rax\nmovabs rcx, offset x\nret\nx: .quad 1"
    whole = (0x1000_0000 + 9 + 10 + 10 + 1).to_bytes(8, "little").hex()
    assert assemble(source).code.hex() == f"a0{whole}48a3{whole}48b9{whole}c30100000000000000"


def test_a_far_pointer_is_as_wide_as_the_assembler_that_is_declared_has_it() -> None:
    assert assemble("section .text\njmp far [rax]").code.hex() == "48ff28"
    assert assemble(".intel_syntax noprefix\njmp far ptr [rax]").code.hex() == "ff28"


def test_a_constant_that_gnu_as_meets_too_early_takes_the_room_it_has_there() -> None:
    source = ".text\nadd $x, %ecx\nmov x(%rbx), %eax\npush $x\nshl $x, %eax\n.set x, 5\nadd $x, %ecx"
    assert (
        assemble(source, syntax="att").code.hex()
        == "81c105000000" + "8b8305000000" + "6805000000" + "c1e005" + "83c105"
    )
    assert refused(".intel_syntax noprefix\nadd ecx, x\n.set x, 5") == "ASM036"  # there it would read memory
    assert assemble("section .text\nadd ecx, x\nx equ 5").code.hex() == "83c105"


def test_the_complement_of_an_unsigned_number_fits_where_the_number_does() -> None:
    assert assemble("and al, ~0x80\nmov ax, ~0x8000\nret").code.hex() == "247f" + "66b8ff7f" + "c3"
    assert assemble("and byte ptr [rax], ~0x80\nand eax, ~(1 << 31)\nret").code.hex() == "80207f" + "25ffffff7f" + "c3"
    assert assemble(".byte ~0x80, ~0\n.long ~0x80000000").code.hex() == "7fff" + "ffffff7f"
    assert refused("mov al, ~0x100") == "ASM108"
    assert refused(".byte ~0x100") == "ASM053"


def test_byte_in_brackets_is_not_forgotten() -> None:
    assert assemble("section .text\nmov eax, [byte rsp+8]").code.hex() == "8b442408"
    assert refused("section .text\nmov eax, [byte rsp+0xff]") == "ASM053"


def test_an_address_from_a_linkers_table_is_kept_in_memory() -> None:
    for source in (
        ".intel_syntax noprefix\nmov rax, x@GOTPCREL[rip]\ncall [rip+x@GOTPCREL]\nx: ret",
        "section .text\nmov rax, [rel x wrt ..got]\ncall [rel x wrt ..gotpcrel]\nx: ret",
        ".att_syntax\nmovq x@GOTPCREL(%rip), %rax\ncall *x@GOTPCREL(%rip)\nx: ret",
    ):
        program = assemble(source)
        text, table = program.segments
        assert (table.name, table.protection) == ("rodata", "r--")
        assert table.data == program.labels["x"].to_bytes(8, "little")
        distance = table.address - text.address
        assert (
            text.data.hex()
            == f"488b05{(distance - 7).to_bytes(4, 'little').hex()}ff15{(distance - 13).to_bytes(4, 'little').hex()}c3"
        )


def test_masm_names_its_data_by_their_sizes() -> None:
    data = "puts PROTO\n.data\nsum DWORD 25\nmany BYTE 3 DUP (7)\nhalf REAL8 0.5\nlast SQWORD ?\n"
    source = data + ".code\nmain PROC\nmov eax, [sum]\ncall puts\nret\nmain ENDP\nEND"
    program = assemble(source)
    assert program.segments[-1].data.hex() == "19000000" + "070707" + "000000000000e03f" + "0000000000000000"
    assert list(program.externs) == ["puts"]
    assert refused("psuh qword 5") == "ASM100"  # among instructions it is a slip


def test_a_size_with_ptr_makes_no_memory_of_a_number() -> None:
    source = ".intel_syntax noprefix\n.set n, 8\nmov ebx, dword ptr n\npush qword ptr 8\nmov ebx, dword ptr [n]\n"
    assert (
        assemble(source + "call qword ptr n").code.hex() == "bb08000000" + "6a08" + "8b1c2508000000" + "ff142508000000"
    )
    assert assemble("movl 8, %ebx\ncall *8", syntax="att").code.hex() == "8b1c2508000000" + "ff142508000000"


def test_nasm_takes_a_word_behind_a_dollar_for_a_name() -> None:
    source = (
        "section .text\njmp $L$oop\n$L$oop: dec rcx\njnz $L$oop\n$rax: jmp $rax\nsection .data\n$word db 5,\n dq $word"
    )
    program = assemble(source)
    assert program.code.hex() == "eb00" + "48ffc9" + "75fb" + "ebfe"
    assert set(program.labels) == {"L$oop", "rax", "word"}


def test_an_unknown_section_of_nasm_can_only_be_read() -> None:
    program = assemble("section .data:\nx: db 5\nsection .text\nmov al, [x]\nret")
    assert [(part.name, part.protection) for part in program.segments] == [("text", "r-x"), ("rodata", "r--")]
    assert [warning.code for warning in program.warnings] == ["ASM089"]
    assert refused("section .text:\nret") == "ASM054"
