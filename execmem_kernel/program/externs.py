"""Where a program finds what it declares `extern`: fixed places below its code, one for each name.

    code - 0x100000   a stub for each function: what `call puts` reaches
    code - 0x80000    the C library's own variables, for the few that can be asked for: `stdout` is a label there

Who runs the program puts something there (execution/libc/); the assembler needs the addresses only.
"""

from __future__ import annotations

STUBS_BELOW, VARIABLES_BELOW = 0x10_0000, 0x8_0000
SLOT = 16
"""Bytes from one name's place to the next."""
VARIABLES = frozenset(("stdin", "stdout", "stderr", "environ"))
"""The names that stand for memory; every other name stands for code."""
_FUNCTIONS = """
abort abs atof atoi atol atoll bsearch calloc div exit free getenv labs malloc qsort rand random realloc srand
srandom strtod strtol strtoll strtoul system clock time difftime sleep usleep fclose feof fflush fgetc fgets fopen
fprintf fputc fputs fread fscanf fwrite getc getchar gets getline perror printf putc putchar puts scanf snprintf
sprintf sscanf vprintf dprintf memchr memcmp memcpy memmove memset strcat strchr strcmp strcpy strcspn strdup strlen
strncat strncmp strncpy strpbrk strrchr strspn strstr strtok isalnum isalpha isdigit islower isprint ispunct isspace
isupper isxdigit tolower toupper acos asin atan atan2 ceil cos cosh exp fabs floor fmod hypot log log10 log2 pow
round sin sinh sqrt sqrtf sinf cosf powf tan tanh trunc close getpid getppid open read write lseek fork wait kill
signal raise _exit
"""
FAMILIAR = VARIABLES | frozenset(_FUNCTIONS.split())
"""What GNU programs call without declaring it; any other unknown name is more likely a slip."""


def extern_address(name: str, index: int, code_address: int) -> int:
    """The address of a name from elsewhere.

    Args:
        name: The name.
        index: How many names the program declares before it.
        code_address: Where the program's code starts.
    """
    below = VARIABLES_BELOW if name in VARIABLES else STUBS_BELOW
    return max(0, code_address - below) + SLOT * index
