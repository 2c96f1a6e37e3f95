"""Hosts that forbid or lack something: each has a way that works, or one clear error. Each is set in a child."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap

import pytest

from execmem_kernel.linux import memory as linux_memory
from execmem_kernel.memory.capabilities import Capabilities
from execmem_kernel.memory.manager import CodeMemoryManager
from tests import kernel
from tests.kernel import RETURN_42

COMMON = """
import ctypes, errno, mmap, os, resource, struct, sys
import execmem_kernel as em
from tests import kernel
from tests.kernel import RETURN_42

def lives(manager):
    "Allocate both ways, run, read the map, free; the backends that were used."
    with manager.allocate(RETURN_42) as one, manager.allocate(RETURN_42, pages=True) as two:
        assert kernel.call(one.address) == kernel.call(two.address) == 42
        assert kernel.writable_and_executable() == []
        with manager.allocate(5000) as open_one:
            assert not {"w", "x"} <= set(kernel.protection_at(open_one.address))
        numbers = manager.statistics()
        parts = numbers.payload + numbers.rounding + numbers.padding + numbers.metadata + numbers.free
        assert parts == numbers.reserved
        return "memfd" if one.backing() else "anonymous", "memfd" if two.backing() else "anonymous"

def seccomp(*rules):
    "Answer a system call with EPERM, or only where it asks for executable memory, from now on. seccomp(2), bpf(4)."
    program = [(0x20, 0, 0, 0)]                                  # load the number of the system call
    for number, only_executable in rules:
        if only_executable:
            program += [(0x15, 0, 4, number), (0x20, 0, 0, 32), (0x45, 0, 1, 4)]  # its third argument has PROT_EXEC
            program += [(6, 0, 0, 0x50000 | errno.EPERM), (0x20, 0, 0, 0)]
        else:
            program += [(0x15, 0, 1, number), (6, 0, 0, 0x50000 | errno.EPERM)]
    program.append((6, 0, 0, 0x7FFF0000))                        # allow everything else
    code = b"".join(struct.pack("HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code)
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program), ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0                       # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, head) == 0, os.strerror(ctypes.get_errno())  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER

manager = em.CodeMemoryManager()
"""


@pytest.fixture
def programs_can_run() -> None:
    """What running programs sets up once is there before descriptors are counted."""
    CodeMemoryManager().capabilities()


def on_host(script: str, *prefix: str) -> str:
    """Run a script in a fresh process; returns what it printed."""
    command = [*prefix, sys.executable, "-W", "error", "-c", COMMON + textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=os.getcwd())
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_this_host_has_memory_files(programs_can_run: None, manager: CodeMemoryManager) -> None:
    found = manager.capabilities()
    assert isinstance(found, Capabilities)
    assert (found.backend, found.memory_files, found.anonymous) == ("memfd", "works", "works")
    assert found.mappings > 10
    assert (
        str(found).splitlines()[0]
        == "backend         memfd: written by pwrite, mapped read-execute only, frozen when sealed"
    )


@pytest.mark.parametrize("policy", [0, 1, 2])
def test_a_noexec_policy_changes_nothing(policy: int) -> None:
    """vm.memfd_noexec belongs to the pid namespace, so a new one can be given any policy, if we may make one."""
    set_policy = f'echo {policy} > /proc/sys/vm/memfd_noexec && exec "$@"'
    prefix = ("unshare", "--pid", "--fork", "sh", "-c", set_policy, "sh")
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode:
        fake = f"""
        real = os.memfd_create
        def policy(name, flags):
            if {policy} == 2 and not flags & 8:  # as the kernel does: refuse what does not say MFD_NOEXEC_SEAL
                raise OSError(errno.EACCES, os.strerror(errno.EACCES))
            return real(name, flags | (8 if {policy} else 0))
        os.memfd_create = policy
        """
        assert on_host(textwrap.dedent(fake) + "print(*lives(manager))") == "memfd memfd"
    else:
        script = "print(*lives(manager), manager.capabilities().noexec_policy)"
        assert on_host(script, *prefix) == f"memfd memfd {policy}"


def test_a_kernel_without_the_noexec_flag_is_asked_without_it(
    manager: CodeMemoryManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = os.memfd_create, []

    def old_kernel(name: str, flags: int) -> int:
        asked.append(flags)
        if flags & linux_memory.MFD_NOEXEC_SEAL:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(name, flags)

    monkeypatch.setattr(os, "memfd_create", old_kernel)
    with manager.allocate(RETURN_42, pages=True) as memory:
        assert kernel.call(memory.address) == 42
        assert memory.backing() is not None
    assert [bool(flags & linux_memory.MFD_NOEXEC_SEAL) for flags in asked] == [True, False]


def test_without_memory_files_pages_are_writable_until_sealed() -> None:
    script = """
    seccomp((319, False))
    print(*lives(manager))
    found = manager.capabilities()
    print(found.backend, "|", found.memory_files)
    memory = manager.allocate(64)
    print(kernel.protection_at(memory.address), memory.backing())
    with manager.allocate(RETURN_42, mapped=False) as here_all_the_same:
        assert kernel.call(here_all_the_same.address) == 42
    memory.write(RETURN_42); memory.seal()
    print(kernel.protection_at(memory.address), kernel.call(memory.address))
    try:
        memory.write(b"x")
    except em.SealedMemoryError as error:
        print("sealed")
    memory.close()
    print(manager.statistics().failures)
    """
    assert on_host(script).splitlines() == [
        "anonymous anonymous",
        "anonymous | refused with EPERM (Operation not permitted)",
        "rw-p None",
        "r-xp 42",
        "sealed",
        "{('memfd_create', 'EPERM'): 1}",
    ]


def test_whether_programs_can_be_watched_is_tried_and_told() -> None:
    printed = on_host("found = manager.capabilities(); print(found.ptrace, found.witness, em.run('ret').witness)")
    assert printed.splitlines() == ["works supervisor supervisor"]
    script = """
    seccomp((101, False))
    found = manager.capabilities()
    print(found.ptrace)
    print(found.witness, em.run('ret').witness)
    print(str(found).splitlines()[-1])
    """
    refused = "this host does not let a program be run apart from the notebook: ptrace was refused"
    assert on_host(script).splitlines() == [
        refused,
        "guest guest",
        f"ptrace          {refused}: a program's own process tells what it did, and could lie: its outcomes say "
        "witness='guest'",
    ]


def test_another_namespaces_proc_is_never_taken_for_ones_own() -> None:
    """Its numbers mean other processes: reading a program's memory there would read, and write, somebody else's."""
    if subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False).returncode:
        prefix, script = (), "os.readlink = lambda path: '1'\n"
    else:
        prefix, script = ("unshare", "--pid", "--fork"), ""
    script += """
outcome = em.run("mov rax, [rdi]\\nret", registers={"rdi": "b"}, buffers={"b": bytes([7]).ljust(8, bytes(1))})
print(outcome.registers["rax"], outcome.witness)
print(manager.capabilities().witness)
"""
    assert on_host(script, *prefix).splitlines() == ["7 guest", "guest"]


def test_where_executable_memory_is_forbidden_one_error_says_where_to_look() -> None:
    script = """
    seccomp((9, True), (10, True))
    for pages in (False, True):
        try:
            memory = manager.allocate(RETURN_42, pages=pages)
        except em.ProtectionDeniedError as error:
            print(error)
    found = manager.capabilities()
    print(found.backend, found.reason)
    print(manager.statistics().live, manager.statistics().reserved, len(kernel.executable_mappings()))
    """
    message = (
        "6 bytes of executable memory asked for; the kernel refused (mprotect: Operation not permitted): "
        "look at seccomp, SELinux (execmem) and the noexec policies of this host"
    )
    printed = on_host(script).splitlines()
    assert printed[:3] == [
        message,
        message,
        "None this host allows no executable memory: look at seccomp and SELinux (execmem)",
    ]
    assert printed[3] == "0 0 0"


@pytest.mark.parametrize("limit", [0, 4096, 100 * 1024])
def test_a_limit_on_file_size_holds_for_slabs_and_is_gone_around(limit: int) -> None:
    script = f"""
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
    print(*lives(manager), manager.capabilities().file_size)
    """
    expected = {0: "anonymous anonymous 0", 4096: "memfd memfd 4096", 100 * 1024: "memfd memfd 102400"}
    assert on_host(script) == expected[limit]


def test_a_limit_on_address_space_is_an_error_with_its_name_and_nothing_is_lost() -> None:
    script = """
    from execmem_kernel.linux import limits
    lives(manager)
    used = limits.address_space_in_use()
    resource.setrlimit(resource.RLIMIT_AS, (used + 3 * 1024 * 1024, resource.RLIM_INFINITY))
    held = []
    try:
        while True:
            held.append(manager.allocate(200_000))
    except em.OutOfCodeMemoryError as error:
        print(str(error).split("; ")[1].split(" leaves")[0])
    print(10 < len(held) < 16)
    held.pop().close()
    with manager.allocate(RETURN_42) as memory:
        print(kernel.call(memory.address))
    for memory in held:
        memory.close()
    """
    assert on_host(script).splitlines() == ["RLIMIT_AS", "True", "42"]


def test_at_the_limit_of_mappings_the_error_names_the_rule_and_nothing_is_lost() -> None:
    """vm.max_map_count is the whole host's, so it is not lowered: it is used up."""
    script = """
    held = [manager.allocate(RETURN_42) for _ in range(3)]
    pages = manager.allocate(RETURN_42, pages=True)
    limit = int(open("/proc/sys/vm/max_map_count").read())
    libc = ctypes.CDLL(None)
    waste = mmap.mmap(-1, limit * 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)
    start = ctypes.c_uint64.from_address(id(waste) + 16).value
    page = start
    while libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(4096), 0) == 0:
        page += 8192
    try:
        manager.allocate(RETURN_42, pages=True)
    except em.OutOfCodeMemoryError as error:
        print("vm.max_map_count" in str(error))
    with manager.allocate(RETURN_42) as memory:
        print(kernel.call(memory.address))
    for memory in held:
        memory.close()
    pages.close()
    waste.close()
    with manager.allocate(RETURN_42, pages=True) as memory:
        print(kernel.call(memory.address))
    manager.cleanup()
    numbers = manager.statistics()
    print(numbers.live, numbers.reserved, numbers.stuck, len(kernel.executable_mappings()))
    """
    assert on_host(script).splitlines() == ["True", "42", "42", "0 0 0 0"]


def test_out_of_descriptors_pages_are_anonymous() -> None:
    script = """
    lives(manager)
    resource.setrlimit(resource.RLIMIT_NOFILE, (kernel.open_files() - 1, 4096))
    with manager.allocate(RETURN_42, pages=True) as memory:
        print(kernel.call(memory.address), memory.backing())
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
        print(kernel.protection_at(memory.address))
    print(*lives(manager))
    """
    assert on_host(script).splitlines() == ["42 None", "r-xp", "memfd memfd"]
