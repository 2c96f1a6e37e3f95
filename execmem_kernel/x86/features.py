"""CPU features beyond the x86-64 baseline: which an instruction needs, and which this processor has."""

# ruff: noqa: E501 (its tables are read by row)

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from iced_x86 import Code, CpuidFeature, Instruction

from execmem_kernel.x86 import forms

_BASELINE = frozenset(
    ("intel8086", "intel8086_only", "intel186", "intel286", "intel286_only", "intel386", "intel386_only", "intel486", "x64", "cmov", "cpuid",
     "cx8", "fpu", "fpu287", "fpu387", "fxsr", "mmx", "msr", "sse", "sse2", "syscall", "tsc", "multibytenop", "pause", "clfsh",
     "smm", "sep", "fpu287xl_only")
)  # fmt: skip
"""What every x86-64 processor has."""
_HINTS = frozenset(("cet_ibt", "cldemote", "prefetchiti", "prefetchw", "prefetchwt1"))
"""Features whose instructions do nothing on a processor without them: endbr64, cldemote, the prefetches."""
_UNREMARKABLE = _BASELINE | _HINTS
_HINT_CODES = frozenset((Code.RDSSPD_R32, Code.RDSSPQ_R64))
"""The same of single instructions: rdsspq leaves its register alone where there is no shadow stack."""


@cache
def feature_names() -> Mapping[int, str]:
    """iced-x86's number for a CPU feature -> its name in lower case."""
    return {value: name.lower() for name, value in vars(CpuidFeature).items() if isinstance(value, int)}


@cache
def features_of(code: forms.IcedNumber) -> tuple[str, ...]:
    """The CPU features beyond the baseline that instructions of iced-x86's form number need."""
    if code in _HINT_CODES:
        return ()
    probe = Instruction()
    probe.code = code
    names = (feature_names()[feature] for feature in probe.cpuid_features())
    return tuple(name for name in names if name not in _UNREMARKABLE)


_LINUX_FEATURES = {
    "mwaitx": "monitorx", "sgx": "sgx1", "svm": "svm", "pni": "sse3", "sse4_1": "sse4_1", "sse4_2": "sse4_2", "abm": "lzcnt", "pclmulqdq": "pclmulqdq", "avx512_vnni": "avx512_vnni",
    "avx512vbmi": "avx512_vbmi", "avx512_vbmi2": "avx512_vbmi2", "avx512_bitalg": "avx512_bitalg", "avx512_vpopcntdq": "avx512_vpopcntdq",
    "avx512ifma": "avx512_ifma", "avx512_bf16": "avx512_bf16", "avx512_fp16": "avx512_fp16", "avx512_vp2intersect": "avx512_vp2intersect",
    "avx_vnni": "avx_vnni", "sha_ni": "sha", "cx16": "cmpxchg16b", "amx_tile": "amx_tile", "amx_int8": "amx_int8", "amx_bf16": "amx_bf16",
    "rdrand": "rdrand", "user_shstk": "cet_ss", "ibt": "cet_ibt", "3dnow": "d3now", "3dnowext": "d3nowext", "lahf_lm": "lahf_sahf_x64",
}  # fmt: skip
"""Linux's name for a feature -> iced-x86's, where they differ by more than case."""


def features_of_linux(flags: Iterable[str]) -> frozenset[str]:
    """The names that `Facts.features` uses, from the flags of /proc/cpuinfo."""
    known = {name.replace("_", ""): name for name in feature_names().values()}
    found = set()
    for flag in flags:
        name = _LINUX_FEATURES.get(flag) or known.get(flag.replace("_", ""))
        if name is not None:
            found.add(name)
    if found & {"hle", "rtm"}:
        found.add("hle_or_rtm")
    if found & {"skinit", "svm"}:
        found.add("skinit_or_svm")
    if "vmx" in found:
        found |= {"invept", "invvpid"}
    return frozenset(found)


# ---- what this processor has -----------------------------------------------------------------------------------------


@cache
def cpu_features() -> frozenset[str]:
    """The features of this machine's processor, by the names that `Instruction.features` uses; none without /proc."""
    try:
        listing = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    for line in listing.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return features_of_linux(value.split())
    return frozenset()
