"""Owning executable pages: who allocated which bytes, until when, and what the kernel says of it.

manager       CodeMemoryManager: allocates from a pool or in pages of its own, frees, reports
session       the session's own manager
handle        ExecutableMemory, the owner of a block; Owner, what it needs of its manager
block         the manager's record of one piece of memory, and the errors that name it
mapping       Region: one mapping with its guard pages; Backend, what its pages are made of
backends      memory files, and anonymous memory where the host refuses them
pool          slabs cut into blocks: best fit, coalescing
growth        policies for the size of the next slab
placement     addresses for new regions
intervals     arithmetic on address ranges
accounting    Ledger: counters and the ring of events
values        what is reported: events, region states, statistics, snapshots, findings
callsites     where something was allocated or released
registry      all managers of this process, locked together for an audit and a fork
locks         a lock that an interrupt cannot leave taken
refusals      what the host refuses, as errors that name the rule
audit         a manager's inventory against the kernel's list of mappings
holders       what keeps a handle alive
testing       assert_no_leaks
pytest_plugin the same as a fixture
capabilities  what this host allows
hooks         what packages above this one provide to it
"""
