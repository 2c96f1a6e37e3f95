"""Where the C library, its loader and the link table lie, and the numbers of elf.h that are used."""

from __future__ import annotations

from execmem_kernel.execution.contract.address_map import LIBRARIES

LOADER_BASE, LIBC_BASE, LIBM_BASE = LIBRARIES, LIBRARIES + 0x100_0000, LIBRARIES + 0x300_0000
TABLE = LIBRARIES + 0x400_0000
"""The link table: link_table.py."""
LOADER_STACK, LOADER_STACK_SIZE = LIBRARIES + 0x500_0000, 0x4_0000
LOADER_MAPPINGS, LOADER_MAPPINGS_SIZE = LIBRARIES + 0x600_0000, 0x100_0000
"""What the loader gets when it asks for memory."""

# Source: elf.h of the GNU C library
PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_RELRO = 1, 2, 3, 0x6474E552
PF_R, PF_W = 4, 2
SHT_DYNSYM = 11
STB_GLOBAL = 1 << 4
STT_OBJECT, STT_FUNC, STT_TLS = 1, 2, 6
R_X86_64_COPY, R_X86_64_GLOB_DAT = 5, 6
DT_NULL, DT_NEEDED, DT_HASH, DT_STRTAB, DT_SYMTAB, DT_RELA, DT_RELASZ, DT_RELAENT = 0, 1, 4, 5, 6, 7, 8, 9
DT_STRSZ, DT_SYMENT, DT_FLAGS = 10, 11, 30
DF_BIND_NOW = 8
EM_X86_64 = 62
