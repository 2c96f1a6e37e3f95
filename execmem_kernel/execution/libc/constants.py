"""Where the C library, its loader and the link table lie, and the numbers of elf.h that are used."""

from __future__ import annotations

from execmem_kernel.execution.contract.address_map import LIBRARIES

LOADER_BASE, LIBC_BASE, LIBM_BASE = LIBRARIES, LIBRARIES + 0x100_0000, LIBRARIES + 0x300_0000


TABLE = LIBRARIES + 0x400_0000


LOADER_STACK, LOADER_STACK_SIZE = LIBRARIES + 0x500_0000, 0x4_0000


LOADER_MAPPINGS = LIBRARIES + 0x600_0000


PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_RELRO = 1, 2, 3, 0x6474E552  # elf.h


STT_OBJECT, STT_FUNC, STT_TLS, STT_GNU_IFUNC = 1, 2, 6, 10  # elf.h: STT_OBJECT, STT_FUNC, STT_TLS, STT_GNU_IFUNC


R_X86_64_COPY, R_X86_64_GLOB_DAT = 5, 6  # elf.h: R_X86_64_COPY, R_X86_64_GLOB_DAT
