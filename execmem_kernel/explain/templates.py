"""A sentence for each mnemonic whose operands only have to be filled in."""

# ruff: noqa: E501 (its sentences are read by row)

from __future__ import annotations

import re

from execmem_kernel.explain.operands import address_words, value_words
from execmem_kernel.x86.disassembler import Instruction
from execmem_kernel.x86.registers import register_size

# ---- templates -------------------------------------------------------------------------------------------------------
# {0} {1} {2} {3} are the operands in words, {a0} {a1} the address in an operand's brackets.

TEMPLATES = {
    "mov": "copies {1} into {0}", "movabs": "copies {1} into {0}", "lea": "puts the address {a1} into {0}, without reading memory or changing flags",
    "movzx": "copies {1} into {0} and fills the rest with zeros", "movsx": "copies {1} into {0} and fills the rest with its sign",
    "movsxd": "copies {1} into {0} and fills the rest with its sign", "movbe": "copies {1} into {0} with its bytes in reverse order",
    "xchg": "swaps {0} and {1}", "bswap": "reverses the order of the bytes of {0}", "xadd": "puts the sum of {0} and {1} into {0}, and what was in {0} into {1}",
    "cmpxchg8b": "compares edx:eax with {0}: if equal, ecx:ebx is stored there and zf becomes 1, otherwise it is loaded into edx:eax",
    "cmpxchg16b": "compares rdx:rax with {0}: if equal, rcx:rbx is stored there and zf becomes 1, otherwise it is loaded into rdx:rax",
    "pushfq": "pushes the flags", "popfq": "pops the flags", "pushf": "pushes the low 16 flags", "popf": "pops the low 16 flags",
    "enter": "makes a stack frame: pushes rbp, copies rsp into rbp, and makes room for {0} bytes",
    "leave": "takes the stack frame down: copies rbp into rsp, then pops rbp",
    "add": "adds {1} to {0}", "adc": "adds {1} and the carry flag to {0}", "sub": "subtracts {1} from {0}",
    "sbb": "subtracts {1} and the carry flag from {0}", "neg": "changes the sign of {0}",
    "cmp": "compares {0} with {1}: sets the flags as {0} minus {1} would, and changes neither",
    "and": "keeps in {0} only the bits that are 1 in {1} too", "or": "sets in {0} every bit that is 1 in {1}",
    "xor": "flips in {0} every bit that is 1 in {1}", "not": "flips every bit of {0}, leaving the flags alone",
    "test": "looks at the bits that {0} and {1} have in common: sets the flags as `and` would, and changes nothing else",
    "shl": "shifts {0} left by {1}, filling with zeros (the last bit shifted out goes to cf)", "shr": "shifts {0} right by {1}, filling with zeros (the last bit shifted out goes to cf)",
    "sar": "shifts {0} right by {1}, filling with copies of its sign (the last bit shifted out goes to cf)", "rol": "rotates {0} left by {1}", "ror": "rotates {0} right by {1}",
    "rcl": "rotates {0} and the carry flag left by {1}", "rcr": "rotates {0} and the carry flag right by {1}",
    "shld": "shifts {0} left by {2}, filling from the top of {1}", "shrd": "shifts {0} right by {2}, filling from the bottom of {1}",
    "bt": "copies bit {1} of {0} into the carry flag", "bts": "copies bit {1} of {0} into the carry flag, then makes it 1",
    "btr": "copies bit {1} of {0} into the carry flag, then makes it 0", "btc": "copies bit {1} of {0} into the carry flag, then flips it",
    "bsf": "puts the number of the lowest 1 bit of {1} into {0} (undefined for zero)", "bsr": "puts the number of the highest 1 bit of {1} into {0} (undefined for zero)",
    "popcnt": "counts the ones of {1} into {0} (zf says whether there are none, the other flags become 0)", "lzcnt": "counts the zeros at the top of {1} into {0} (all its bits, and cf 1, where it is zero)", "tzcnt": "counts the zeros at the bottom of {1} into {0} (all its bits, and cf 1, where it is zero)",
    "andn": "puts into {0} the bits of {2} that are 0 in {1}", "blsr": "copies {1} into {0} with its lowest 1 bit cleared",
    "blsi": "puts only the lowest 1 bit of {1} into {0}", "blsmsk": "puts into {0} ones up to and including the lowest 1 bit of {1}",
    "bzhi": "copies {1} into {0} with the bits from number {2} up cleared", "bextr": "puts a field of bits of {1} into {0} ({2} says where it starts and how long it is)",
    "pdep": "spreads the low bits of {1} to the places where {2} has ones, into {0}", "pext": "gathers the bits of {1} where {2} has ones to the bottom of {0}",
    "mulx": "multiplies rdx by {2}: the low half goes to {1}, the high half to {0}, and the flags stay as they are",
    "rorx": "puts {1}, rotated right by {2}, into {0}, leaving the flags alone", "sarx": "puts {1}, shifted right by {2} with its sign, into {0}, leaving the flags alone",
    "shlx": "puts {1}, shifted left by {2}, into {0}, leaving the flags alone", "shrx": "puts {1}, shifted right by {2}, into {0}, leaving the flags alone",
    "adcx": "adds {1} and the carry flag to {0}", "adox": "adds {1} and the overflow flag to {0}, as if that were the carry",
    "crc32": "takes {1} into the checksum in {0}", "cbw": "fills ah with the sign of al", "cwde": "fills the upper half of eax with the sign of ax",
    "cdqe": "fills the upper half of rax with the sign of eax", "cwd": "fills dx with the sign of ax", "cdq": "fills edx with the sign of eax, to make ready for idiv",
    "cqo": "fills rdx with the sign of rax, to make ready for idiv", "jmp": "jumps to {0}",
    "call": "pushes the address of the next instruction and jumps to {0}", "ret": "returns: takes the address on top of the stack and goes on there",
    "loop": "subtracts 1 from rcx and jumps to {0} unless that made it zero, leaving the flags alone",
    "loope": "subtracts 1 from rcx and jumps to {0} if rcx is not zero and zf is 1", "loopne": "subtracts 1 from rcx and jumps to {0} if neither rcx is zero nor zf is 1",
    "jrcxz": "jumps to {0} if rcx is zero", "jecxz": "jumps to {0} if ecx is zero",
    "syscall": "asks the operating system for the service numbered in rax; the answer comes back in rax, and rcx and r11 are overwritten",
    "int": "calls the interrupt handler number {0} of the operating system", "int3": "stops here for a debugger: a breakpoint",
    "int1": "raises a debug exception", "ud2": "raises an invalid-opcode exception, on purpose", "hlt": "halts the processor, which only the operating system may do",
    "pause": "tells the processor that this is a waiting loop", "cpuid": "puts facts about the processor, chosen by eax and ecx, into eax, ebx, ecx and edx",
    "rdtsc": "puts the time-stamp counter into edx:eax", "rdtscp": "puts the time-stamp counter into edx:eax and the processor's number into ecx",
    "rdrand": "puts a random number into {0} (cf is 1 if there was one)", "rdseed": "puts a random seed into {0} (cf is 1 if there was one)",
    "rdpid": "puts the processor's number into {0}", "clc": "makes the carry flag 0", "stc": "makes the carry flag 1", "cmc": "flips the carry flag",
    "cld": "makes the direction flag 0: string instructions go forwards", "std": "makes the direction flag 1: string instructions go backwards",
    "cli": "switches interrupts off, which only the operating system may do", "sti": "switches interrupts on, which only the operating system may do",
    "lahf": "copies the low flags into ah", "sahf": "copies ah into the low flags", "xlatb": "replaces al by the byte at rbx + al: a table look-up",
    "endbr64": "marks a place where indirect jumps may land", "lfence": "waits until every load before it is done",
    "sfence": "makes every store before it visible before those after it", "mfence": "makes every load and store before it visible before those after it",
    "prefetcht0": "brings the memory at {a0} into the caches", "prefetchnta": "brings the memory at {a0} close, for one use", "clflush": "writes the cache line at {a0} back and drops it", "vzeroall": "clears all vector registers",
    "emms": "gives the MMX registers back to the floating-point unit",
    "inc": "adds 1 to {0}", "dec": "subtracts 1 from {0}",
    "fld": "pushes {0} onto the floating-point stack", "fst": "copies st(0) into {0}", "fstp": "copies st(0) into {0} and pops it off the floating-point stack",
    "fild": "pushes the integer in {0} onto the floating-point stack", "fist": "rounds st(0) to an integer in {0}", "fistp": "rounds st(0) to an integer in {0} and pops it off the floating-point stack",
    "fisttp": "cuts st(0) to an integer in {0}, towards zero, and pops it off the floating-point stack", "fbld": "pushes the decimal number of {0} onto the floating-point stack",
    "fbstp": "rounds st(0) to a decimal number in {0} and pops it off the floating-point stack", "fldz": "pushes 0.0 onto the floating-point stack", "fld1": "pushes 1.0 onto the floating-point stack",
    "fldpi": "pushes pi onto the floating-point stack", "fldl2e": "pushes the logarithm of e to the base 2 onto the floating-point stack", "fldl2t": "pushes the logarithm of 10 to the base 2 onto the floating-point stack",
    "fldlg2": "pushes the logarithm of 2 to the base 10 onto the floating-point stack", "fldln2": "pushes the natural logarithm of 2 onto the floating-point stack",
    "fiadd": "adds the integer in {0} to st(0)", "fisub": "subtracts the integer in {0} from st(0)", "fisubr": "subtracts st(0) from the integer in {0}, into st(0)",
    "fimul": "multiplies st(0) by the integer in {0}", "fidiv": "divides st(0) by the integer in {0}", "fidivr": "divides the integer in {0} by st(0), into st(0)",
    "fsqrt": "replaces st(0) by its square root", "fchs": "changes the sign of st(0)", "fabs": "makes st(0) positive", "frndint": "rounds st(0) to an integer",
    "fsin": "replaces st(0) by its sine", "fcos": "replaces st(0) by its cosine", "fsincos": "replaces st(0) by its sine and pushes its cosine",
    "fptan": "replaces st(0) by its tangent and pushes 1.0", "fpatan": "replaces st(1) by the angle whose tangent is st(1) / st(0), and pops the stack",
    "f2xm1": "replaces st(0) by 2 to the power of st(0), less 1", "fyl2x": "replaces st(1) by st(1) times the logarithm of st(0) to the base 2, and pops the stack",
    "fyl2xp1": "replaces st(1) by st(1) times the logarithm of st(0) + 1 to the base 2, and pops the stack", "fscale": "multiplies st(0) by 2 to the power of st(1), cut to an integer",
    "fprem": "replaces st(0) by what remains of it divided by st(1), cutting the quotient; c2 is 1 while there is more to do",
    "fprem1": "replaces st(0) by what remains of it divided by st(1), rounding the quotient; c2 is 1 while there is more to do",
    "fxtract": "replaces st(0) by its exponent and pushes its mantissa", "ftst": "compares st(0) with 0.0 into c0, c2 and c3", "fxam": "says in c0, c2 and c3 what kind of number st(0) is",
    "fcom": "compares st(0) with {L} into c0, c2 and c3", "fcomp": "compares st(0) with {L} into c0, c2 and c3, and pops the stack", "fcompp": "compares st(0) with st(1) into c0, c2 and c3, and pops both",
    "fucom": "compares st(0) with {L} into c0, c2 and c3", "fucomp": "compares st(0) with {L} into c0, c2 and c3, and pops the stack", "fucompp": "compares st(0) with st(1) into c0, c2 and c3, and pops both",
    "ficom": "compares st(0) with the integer in {0} into c0, c2 and c3", "ficomp": "compares st(0) with the integer in {0} into c0, c2 and c3, and pops the stack",
    "fcomi": "compares st(0) with {L} into zf, pf and cf", "fcomip": "compares st(0) with {L} into zf, pf and cf, and pops the stack",
    "fucomi": "compares st(0) with {L} into zf, pf and cf", "fucomip": "compares st(0) with {L} into zf, pf and cf, and pops the stack",
    "fxch": "swaps st(0) and {L}", "ffree": "marks {0} as empty", "fincstp": "turns the floating-point stack by one, so that st(1) becomes st(0)", "fdecstp": "turns the floating-point stack by one, so that st(0) becomes st(1)",
    "finit": "makes the floating-point unit new", "fninit": "makes the floating-point unit new, without waiting", "fnclex": "forgets the exceptions of the floating-point unit",
    "wait": "waits until the floating-point unit has reported its exceptions", "fnop": "does nothing, in the floating-point unit", "fnstsw": "copies the status of the floating-point unit into {0}",
    "fnstcw": "copies the control word of the floating-point unit into {0}", "fldcw": "loads the control word of the floating-point unit from {0}",
    "fnstenv": "stores the state of the floating-point unit, without its numbers, at {a0}", "fldenv": "loads the state of the floating-point unit, without its numbers, from {a0}",
    "fnsave": "stores the whole floating-point unit at {a0} and makes it new", "frstor": "loads the whole floating-point unit from {a0}",
    "fxsave": "stores the floating-point unit and the xmm registers at {a0}", "fxrstor": "loads the floating-point unit and the xmm registers from {a0}",
    "fxsave64": "stores the floating-point unit and the xmm registers at {a0}", "fxrstor64": "loads the floating-point unit and the xmm registers from {a0}",
    "xsave": "stores those parts of the processor's state that edx:eax chooses at {a0}", "xrstor": "loads those parts of the processor's state that edx:eax chooses from {a0}",
    "xsave64": "stores those parts of the processor's state that edx:eax chooses at {a0}", "xrstor64": "loads those parts of the processor's state that edx:eax chooses from {a0}",
    "xgetbv": "puts the control register numbered in ecx into edx:eax: which parts of its state the processor may use", "xsetbv": "puts edx:eax into the control register numbered in ecx, which only the operating system may do",
    "ldmxcsr": "loads the control and status of the vector unit (rounding, exceptions) from {0}", "stmxcsr": "stores the control and status of the vector unit (rounding, exceptions) in {0}",
    "vldmxcsr": "loads the control and status of the vector unit (rounding, exceptions) from {0}", "vstmxcsr": "stores the control and status of the vector unit (rounding, exceptions) in {0}",
    "vzeroupper": "clears all vector registers above their low 16 bytes", "retf": "takes an address and a code segment off the stack and goes on there", "retfq": "takes a 64-bit address and a code segment off the stack and goes on there",
    "iretq": "returns from an interrupt: takes rip, cs, the flags, rsp and ss off the stack", "iretd": "returns from an interrupt, with 32-bit values: takes eip, cs, the flags, esp and ss off the stack",
    "iret": "returns from an interrupt, with 16-bit values: takes ip, cs, the flags, sp and ss off the stack",
    "sysenter": "enters the operating system, at the place that it has set up", "sysexit": "leaves the operating system, which only it may do", "sysret": "returns from a system call, which only the operating system may do",
    "sysretq": "returns from a system call to 64-bit code, which only the operating system may do", "in": "reads {0} from the port numbered {1}, which only the operating system may do",
    "out": "writes {1} to the port numbered {0}, which only the operating system may do", "rdmsr": "puts the model-specific register numbered in ecx into edx:eax, which only the operating system may do",
    "wrmsr": "puts edx:eax into the model-specific register numbered in ecx, which only the operating system may do", "rdpmc": "puts the performance counter numbered in ecx into edx:eax, if the operating system lets it",
    "rdfsbase": "copies the base address of fs into {0}", "rdgsbase": "copies the base address of gs into {0}", "wrfsbase": "makes {0} the base address of fs", "wrgsbase": "makes {0} the base address of gs",
    "clflushopt": "writes the cache line at {a0} back and drops it, without waiting for other stores", "clwb": "writes the cache line at {a0} back and keeps it", "cldemote": "hints that the cache line at {a0} may go to a cache further away",
    "prefetcht1": "brings the memory at {a0} into the second cache", "prefetcht2": "brings the memory at {a0} into the third cache", "prefetchw": "brings the memory at {a0} into the caches, to be written",
    "prefetchwt1": "brings the memory at {a0} into the second cache, to be written", "prefetch": "brings the memory at {a0} into the caches", "movnti": "stores {1} in {0}, past the caches",
    "movdiri": "stores {1} in {0}, past the caches and in one piece", "movdir64b": "copies {1} to where {0} points, past the caches and in one piece",
    "enqcmd": "sends {1} as a command to the device at {0}; zf is 1 if it was not taken", "enqcmds": "sends {1} as a command to the device at {0}, which only the operating system may do; zf is 1 if it was not taken",
    "lar": "loads the access rights of the segment chosen by {1} into {0}; zf is 1 if there is one", "lsl": "loads the limit of the segment chosen by {1} into {0}; zf is 1 if there is one",
    "verr": "looks whether the segment chosen by {0} may be read, and makes zf 1 if so", "verw": "looks whether the segment chosen by {0} may be written, and makes zf 1 if so",
    "sgdt": "stores the place and size of the global descriptor table at {a0}", "sidt": "stores the place and size of the interrupt table at {a0}", "lgdt": "loads the place and size of the global descriptor table from {a0}, which only the operating system may do",
    "lidt": "loads the place and size of the interrupt table from {a0}, which only the operating system may do", "sldt": "stores the selector of the local descriptor table in {0}", "lldt": "loads the selector of the local descriptor table from {0}, which only the operating system may do",
    "str": "stores the selector of the task register in {0}", "ltr": "loads the task register from {0}, which only the operating system may do", "smsw": "stores the low bits of cr0 in {0}", "lmsw": "loads the lowest bits of cr0 from {0}, which only the operating system may do",
    "clts": "clears the task-switched bit of cr0, which only the operating system may do", "invlpg": "forgets how the page of {a0} is mapped, which only the operating system may do", "invd": "drops the caches without writing them back, which only the operating system may do",
    "wbinvd": "writes the caches back and drops them, which only the operating system may do", "wbnoinvd": "writes the caches back and keeps them, which only the operating system may do", "swapgs": "swaps the base address of gs with the operating system's, which only it may do",
    "monitor": "watches the cache line at rax for stores, to wait with mwait", "mwait": "waits until the watched memory is stored to, or something else wakes the processor", "umonitor": "watches the cache line at {0} for stores, to wait with umwait",
    "umwait": "waits until the watched memory is stored to, until the time-stamp counter reaches edx:eax at the latest; cf is 1 if the system's limit ended it", "tpause": "waits until the time-stamp counter reaches edx:eax; cf is 1 if the system's limit ended it",
    "serialize": "waits until everything before it is done, then fetches what comes after it", "xbegin": "begins a transaction; if it fails, the processor goes on at {0} with the reason in eax", "xend": "ends a transaction, so that all its stores become visible at once",
    "xabort": "breaks a transaction off with the reason {0}; outside of one it does nothing", "xtest": "makes zf 0 inside of a transaction and 1 outside; the other flags become 0", "rdsspd": "copies the shadow stack's pointer into {0}, where there is one", "rdsspq": "copies the shadow stack's pointer into {0}, where there is one",
    "incsspd": "drops as many entries of the shadow stack as the low byte of {0} says", "incsspq": "drops as many entries of the shadow stack as the low byte of {0} says", "endbr32": "marks a place where indirect jumps of 32-bit code may land",
    "ptwrite": "writes {0} into the processor's trace", "stac": "lets the operating system reach the memory of programs, which only it may do", "clac": "keeps the operating system from the memory of programs, which only it may do",
    "ldtilecfg": "sets the shapes of the tiles up as {a0} says", "sttilecfg": "stores the shapes of the tiles at {a0}", "tilerelease": "gives the tiles back, and clears them",
    "rdpkru": "puts the rights of the protection keys into eax", "wrpkru": "makes eax the rights of the protection keys", "clzero": "makes the cache line at rax zero",
    "xsavec": "stores those parts of the processor's state that edx:eax chooses at {a0}, packed", "xsaveopt": "stores those parts of the processor's state that edx:eax chooses and that have changed at {a0}",
    "xsaves": "stores those parts of the processor's state that edx:eax chooses at {a0}, which only the operating system may do", "xrstors": "loads those parts of the processor's state that edx:eax chooses from {a0}, which only the operating system may do",
    "xsavec64": "stores those parts of the processor's state that edx:eax chooses at {a0}, packed", "xsaveopt64": "stores those parts of the processor's state that edx:eax chooses and that have changed at {a0}",
    "xsaves64": "stores those parts of the processor's state that edx:eax chooses at {a0}, which only the operating system may do", "xrstors64": "loads those parts of the processor's state that edx:eax chooses from {a0}, which only the operating system may do",
    "lfs": "loads {0} and the segment register fs from {1}", "lgs": "loads {0} and the segment register gs from {1}", "lss": "loads {0} and the segment register ss from {1}",
    "wrssd": "stores {1} in {0}, on the shadow stack", "wrssq": "stores {1} in {0}, on the shadow stack", "monitorx": "watches the cache line at rax for stores, to wait with mwaitx",
    "mwaitx": "waits until the watched memory is stored to, or for as long as ebx says", "movntss": "stores the lowest 32-bit floating-point number of {1} in {0}, past the caches",
    "movntsd": "stores the lowest 64-bit floating-point number of {1} in {0}, past the caches", "aadd": "adds {1} to {0}, in one piece", "aand": "keeps in {0} only the bits that are 1 in {1} too, in one piece",
    "aor": "sets in {0} every bit that is 1 in {1}, in one piece", "axor": "flips in {0} every bit that is 1 in {1}, in one piece",
    "ud0": "raises an invalid-opcode exception, on purpose", "ud1": "raises an invalid-opcode exception, on purpose", "vmcall": "calls the hypervisor", "vmmcall": "calls the hypervisor",
}  # fmt: skip


def from_template(instruction: Instruction, mnemonic: str) -> str | None:
    """The sentence of the mnemonic's template, without capital and full stop; None where there is none for it."""
    template = TEMPLATES.get(mnemonic)
    if template is None and mnemonic == "imul":
        template = (
            "multiplies {0} by {1}, signed"
            if len(instruction.operands) == 2
            else "puts the signed product of {1} and {2} into {0}"
        )
    if template is None:
        return None
    values = [value_words(operand) for operand in instruction.operands]
    if mnemonic in ("shl", "shr", "sar", "rol", "ror", "rcl", "rcr") and len(values) == 1:
        values.append("1")
    if mnemonic in COUNTED and values:
        values[-1] = _count(values[-1], instruction)
        if values[-1].startswith("0 ("):
            template = "leaves {0} and the flags as they are: the count is {" + str(len(values) - 1) + "}"
    if "{L}" in template:
        template = template.replace("{L}", values[-1] if values else "st(1)")
    wanted = {int(number) for number in re.findall(r"\{a?(\d)\}", template)}
    if wanted and max(wanted) >= len(values):
        return None
    addresses = {f"a{number}": address_words(operand) for number, operand in enumerate(instruction.operands)}
    return template.format(*values, **addresses)


COUNTED = frozenset(("shl", "shr", "sar", "rol", "ror", "rcl", "rcr", "shld", "shrd"))
"""Instructions that move bits by a count."""


def _count(count: str, instruction: Instruction) -> str:
    """A count as the processor takes it: its lowest 5 bits, or 6 for 64 bits. Source: Intel SDM vol. 2, SAL/SAR/SHL/SHR."""
    modulo = count_modulo(instruction)
    if count == "cl":
        return f"cl modulo {modulo}"
    number = int(count, 0) if re.fullmatch(r"\d+|0x[0-9a-f]+", count) else 0
    if number < modulo:
        return count
    return f"{number % modulo} ({number} modulo {modulo})"


def count_modulo(instruction: Instruction) -> int:
    """What the count of an instruction that moves bits is taken modulo: 64 for a 64-bit operand, otherwise 32."""
    target = instruction.operands[0]
    size = 8 * instruction.memory[0].size if target.endswith("]") and instruction.memory else register_size(target) * 8
    return 64 if size == 64 else 32
