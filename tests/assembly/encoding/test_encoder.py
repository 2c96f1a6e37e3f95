"""The encoder: what it makes is what was meant, whatever happens to Keystone."""

# ruff: noqa: E501 (cases are read by row)

from __future__ import annotations

import threading

import pytest

from execmem_kernel.assembly.encoding.encoder import CheckedEncoder, default_encoder
from execmem_kernel.x86.operands import Immediate, Memory, Operation, Refusal, Register
from tests.assembly.encoder_fuzzer import cases, compare, gnu_assemble, wild_cases
from tests.assembly.encoding.answers import code_of, codes, one

RAX, RBX, RSP = Register("rax"), Register("rbx"), Register("rsp")


RIP = Register("rip")


KNOWN_DIFFERENCES = {
    "xchg ax, ax": "GNU as writes the one-byte opcode, which the decoders read as a nop",
    "xchg rax, rax": "the same",
}


def test_the_instruction_set_is_encoded_as_gnu_as_does() -> None:
    """A sample of the whole instruction set: nothing wrong, all but a few in a thousand accepted and byte for byte equal."""
    kinds: dict[str, list[str]] = {}
    for finding in compare(cases(4000, seed=20261123)):
        kinds.setdefault(finding.kind, []).append(f"{finding.case.text}: {finding.ours} / {finding.theirs}")
    wrong = [text for text in kinds.get("wrong", []) if text.split(":")[0] not in KNOWN_DIFFERENCES]
    assert wrong == []
    same, equal, refused = (len(kinds.get(kind, [])) for kind in ("same", "equal", "refused"))
    assert same > 3800
    assert refused <= 0.005 * (same + equal + refused), kinds["refused"]
    assert equal <= 0.005 * same, kinds["equal"]


def test_nonsense_is_refused_with_a_reason_and_nothing_wrong_comes_of_it() -> None:
    """Any name with any operands: what both accept is the same, and what only we accept is listed."""
    accepted_by_us_alone = set()
    for finding in compare(wild_cases(6000, seed=20261123)):
        assert finding.kind != "wrong", finding
        assert "no checked encoding" not in finding.ours, finding
        if finding.kind == "extra" and "no such instruction" not in finding.theirs:
            accepted_by_us_alone.add(finding.case.operation.mnemonic)
    assert accepted_by_us_alone <= LOOSER_THAN_GNU.keys()


LOOSER_THAN_GNU = {
    **dict.fromkeys(("sysexit", "sysret"), "the 32-bit form, as in NASM; GNU as wants a size letter"),
    **dict.fromkeys(("movsl", "cmpsl", "stosl", "lodsl", "scasl", "insl", "outsl"), "AT&T names, refused by GNU as in Intel syntax"),
    **dict.fromkeys(("fcmova", "fcmovae", "fcmovna", "fcmovnae"), "one operand, as NASM takes it"),
    **dict.fromkeys(("call", "jmp"), "a far pointer of 10 bytes, which GNU as writes as rex.w fword"),
    **dict.fromkeys(
        ("xsave", "xsaveopt", "xsavec", "xsaves", "xrstor", "xrstors", "xsave64", "xrstor64", "xsavec64", "xsaveopt64", "fxsave", "fxrstor",
         "fxsave64", "fxrstor64", "xsaves64", "xrstors64", "ldtilecfg", "sttilecfg", "fnsave", "fsave", "frstor", "fldenv", "fnstenv", "fstenv",
         "aesdecwide128kl", "aesdecwide256kl", "aesencwide128kl", "aesencwide256kl", "aesdec128kl", "aesdec256kl", "aesenc128kl", "aesenc256kl",
         "movdir64b", "enqcmd", "enqcmds", "bndldx", "bndstx", "invpcid", "invept", "invvpid"),
        "the size word of an operand whose size the instruction fixes is not looked at",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("mov rax, 5", Operation("mov", (RAX, Immediate(5)))),
        ("mov rax, 0x80000000", Operation("mov", (RAX, Immediate(0x80000000)))),
        ("mov rax, 0xffffffffffffffff", Operation("mov", (RAX, Immediate((1 << 64) - 1)))),
        ("movabs rax, 5", Operation("movabs", (RAX, Immediate(5)))),
        ("movabs rax, [0x1122334455667788]", Operation("movabs", (RAX, Memory(displacement=0x1122334455667788, absolute=True)))),
        ("add ax, -1", Operation("add", (Register("ax"), Immediate(-1)))),
        ("lea rax, [rax+rsp]", Operation("lea", (RAX, Memory(RSP, RAX)))),
        ("lea rax, [rbx+rsp]", Operation("lea", (RAX, Memory(RBX, RSP)))),
        ("mov rax, [rbx*1+8]", Operation("mov", (RAX, Memory(None, RBX, 1, 8)))),
        ("mov rbx, ds:[rcx]", Operation("mov", (RBX, Memory(Register("rcx"), segment=Register("ds"))))),
        ("mov rbx, ds:[rbp]", Operation("mov", (RBX, Memory(Register("rbp"), segment=Register("ds"))))),
        ("mov rax, [0x1122334455667788]", Operation("mov", (RAX, Memory(displacement=0x1122334455667788, absolute=True)))),
        ("bnd ret", Operation("ret", (), ("bnd",))),
        ("xlat byte ptr [rbx]", Operation("xlat", (Memory(RBX, size=1),))),
        ("stos qword ptr [rdi], rax", Operation("stos", (Memory(Register("rdi"), size=8), RAX))),
        ("mov rbx, fs:[0x28]", Operation("mov", (RBX, Memory(displacement=0x28, segment=Register("fs"))))),
        ("mov rbx, ds:[0x1000]", Operation("mov", (RBX, Memory(displacement=0x1000, absolute=True)))),
        ("mov rax, [eip+8]", Operation("mov", (RAX, Memory(Register("eip"), displacement=8)))),
        ("pushf", Operation("pushf")),
        ("popf", Operation("popf")),
        ("nop dword ptr [rax]", Operation("nop", (Memory(RAX, size=4),))),
        ("endbr64", Operation("endbr64")),
        ("push 0x7fffffff", Operation("push", (Immediate(0x7FFFFFFF),))),
        ("push 0x8000", Operation("push", (Immediate(0x8000),))),
        ("imul eax, 5", Operation("imul", (Register("eax"), Immediate(5)))),
        ("test rax, [rbx]", Operation("test", (RAX, Memory(RBX)))),
        ("xchg rax, rbx", Operation("xchg", (RAX, RBX))),
        ("xchg eax, eax", Operation("xchg", (Register("eax"), Register("eax")))),
        ("int 3", Operation("int", (Immediate(3),))),
        ("movsx rax, ebx", Operation("movsx", (RAX, Register("ebx")))),
        ("movq rax, xmm1", Operation("movq", (RAX, Register("xmm1")))),
        ("movd xmm1, rax", Operation("movd", (Register("xmm1"), RAX))),
        ("cmpeqps xmm0, xmm1", Operation("cmpeqps", (Register("xmm0"), Register("xmm1")))),
        ("vcmpneq_oqpd ymm0, ymm1, ymm2", Operation("vcmpneq_oqpd", tuple(map(Register, ("ymm0", "ymm1", "ymm2"))))),
        ("pclmulhqlqdq xmm0, xmm1", Operation("pclmulhqlqdq", (Register("xmm0"), Register("xmm1")))),
        ("rep movsb", Operation("movsb", (), ("rep",))),
        ("repne scasb", Operation("scasb", (), ("repne",))),
        ("rep ret", Operation("ret", (), ("rep",))),
        ("lodsq", Operation("lodsq")),
        ("movs byte ptr [rdi], byte ptr [rsi]", Operation("movs", (Memory(Register("rdi"), size=1), Memory(Register("rsi"), size=1)))),
        ("notrack jmp rax", Operation("jmp", (RAX,), ("notrack",))),
        ("fadd", Operation("fadd")),
        ("faddp", Operation("faddp")),
        ("fsubp st(3), st", Operation("fsubp", (Register("st(3)"), Register("st(0)")))),
        ("fstcw [rax]", Operation("fstcw", (Memory(RAX),))),
        ("{evex} vaddps xmm0, xmm1, xmm2", Operation("vaddps", tuple(map(Register, ("xmm0", "xmm1", "xmm2"))), ("{evex}",))),
        ("{vex} vpdpbusd xmm0, xmm1, xmm2", Operation("vpdpbusd", tuple(map(Register, ("xmm0", "xmm1", "xmm2"))), ("{vex}",))),
        ("blendvps xmm1, xmm2, xmm0", Operation("blendvps", tuple(map(Register, ("xmm1", "xmm2", "xmm0"))))),
        ("call qword ptr [rax]", Operation("call", (Memory(RAX),))),
        ("jmp fword ptr [rax]", Operation("jmp", (Memory(RAX, size=6),))),
        ("enter 16, 0", Operation("enter", (Immediate(16), Immediate(0)))),
        ("lock cmpxchg16b [rdi]", Operation("cmpxchg16b", (Memory(Register("rdi")),), ("lock",))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_keystone_gets_wrong_comes_out_as_from_gnu_as(text: str, operation: Operation) -> None:
    assert code_of(one(operation)).hex() == gnu_assemble([text])[0].hex()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (Operation("mov", (Register("al"), Immediate(256))), "ASM108"),
        (Operation("mov", (Register("ax"), Immediate(0x12345))), "ASM108"),
        (Operation("mov", (Memory(RAX, size=1), Immediate(256))), "ASM108"),
        (Operation("push", (Immediate(0x80000000),)), "ASM108"),
        (Operation("ret", (Immediate(0x10000),)), "ASM108"),
        (Operation("enter", (Immediate(70000), Immediate(0))), "ASM108"),
        (Operation("mov", (RAX, Memory(RBX, displacement=0x80000000))), "ASM118"),
        (Operation("mov", (RAX, Memory(RBX, displacement=0x123456789))), "ASM118"),
        (Operation("mov", (RBX, Memory(displacement=0x7F1234560010, absolute=True))), "ASM118"),
        (Operation("lea", (RAX, Memory(None, RSP, 2))), "ASM021"),
        (Operation("lea", (RAX, Memory(RSP, RSP))), "ASM021"),
        (Operation("mov", (RAX, Memory(RIP, RAX))), "ASM023"),
        (Operation("mov", (RAX, Memory(Register("eax"), RBX))), "ASM023"),
        (Operation("mov", (RAX, Memory(RBX, RAX, 3))), "ASM029"),
        (Operation("pop", (RIP,)), "ASM111"),
        (Operation("add", (RIP, Immediate(5))), "ASM111"),
        (Operation("mov", (Register("sil"), Register("ah"))), "ASM110"),
        (Operation("mov", (Register("ah"), Memory(Register("r8"), size=1))), "ASM110"),
        (Operation("into"), "ASM101"),
        (Operation("nop", (), ("lock",)), "ASM109"),
        (Operation("add", (RAX, RBX), ("rep",)), "ASM120"),
        (Operation("mov", (Memory(RAX), Memory(RBX))), "ASM105"),
        (Operation("mov", (RAX, Register("ebx"))), "ASM107"),
        (Operation("mov", (Memory(RAX), Immediate(1))), "ASM103"),
        (Operation("bswap", (Register("ax"),)), "ASM102"),
        (Operation("movq", (Register("dx"), Register("r13w"))), "ASM102"),
        (Operation("imull", (RAX, RBX)), "ASM107"),
        (Operation("and", (Memory(RAX), Immediate(0xFFFFFFFE))), "ASM103"),
        (Operation("lcall", (RAX,)), "ASM102"),
        (Operation("movs", (Memory(RAX, size=1), Memory(RBX, size=1))), "ASM102"),
        (Operation("call", (Register("ax"),)), "ASM101"),
        (Operation("push", (Register("eax"),)), "ASM101"),
        (Operation("mvo", (RAX, Immediate(1))), "ASM100"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.mnemonic,
)
def test_what_cannot_be_said_is_refused_with_its_reason(operation: Operation, code: str) -> None:
    answer = one(operation)
    assert isinstance(answer, Refusal), answer
    assert answer.code == code
    assert answer.message.endswith(".")


def test_a_refusal_speaks_the_words_of_the_source() -> None:
    answer = one(Operation("setz", (RAX,)))
    assert isinstance(answer, Refusal)
    assert "`setz`" in answer.message
    assert "sete" not in answer.message + answer.hint


def test_a_relative_operand_holds_the_distance_from_the_end_of_its_instruction() -> None:
    """The immediate behind the displacement counts too, and the cached form fits every address."""
    for address in (0, 0x1000, 0x10000000):
        for target in (address, address + 0x2000):
            for operands in (
                (RAX, Memory(RIP, target=target)),
                (Memory(RIP, target=target, size=4), Immediate(0x12345678)),
            ):
                code = code_of(one(Operation("mov", operands, address=address)))
                at = -8 if isinstance(operands[1], Immediate) else -4
                field = code[at : at + 4] if at == -8 else code[-4:]
                assert address + len(code) + int.from_bytes(field, "little", signed=True) == target
    assert isinstance(one(Operation("mov", (RAX, Memory(RIP, target=1 << 40)))), Refusal)


def test_a_movable_number_always_takes_the_wide_form() -> None:
    near = code_of(one(Operation("mov", (RAX, Memory(RBX, displacement=1, movable=True)))))
    far = code_of(one(Operation("mov", (RAX, Memory(RBX, displacement=1000, movable=True)))))
    assert len(near) == len(far) == 7
    small = code_of(one(Operation("add", (RAX, Immediate(1, movable=True)))))
    large = code_of(one(Operation("add", (RAX, Immediate(1000, movable=True)))))
    assert len(small) == len(large)


# ---- the child -------------------------------------------------------------------------------------------------------

SAMPLE = [Operation("add", (RAX, Immediate(number))) for number in range(40)]


EXPECTED = [bytes.fromhex("4883c0") + bytes([number]) for number in range(40)]


def test_the_same_operations_give_the_same_bytes_cold_and_warm(encoder: CheckedEncoder) -> None:
    assert codes(encoder.encode(SAMPLE)) == codes(encoder.encode(SAMPLE)) == EXPECTED


def test_threads_share_one_encoder() -> None:
    failures: list[object] = []

    def work(start: int) -> None:
        operations = [Operation("xor", (RAX, Immediate(number))) for number in range(start, start + 50)]
        expected = [bytes.fromhex("4883f0") + bytes([number]) for number in range(start, start + 50)]
        if codes(default_encoder().encode(operations)) != expected:
            failures.append(start)

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 77, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
