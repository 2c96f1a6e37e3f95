"""The text of a prototype: what is read, and what is refused with the reason."""

from __future__ import annotations

import pytest

from execmem_kernel.errors import PrototypeError
from execmem_kernel.execution.values.c_types import Pointer, Scalar
from execmem_kernel.execution.values.prototype_parser import parse_prototype


def test_the_parts_of_a_prototype_are_read() -> None:
    prototype = parse_prototype("int64_t sum(const int32_t *a, size_t n);")
    assert prototype.name == "sum"
    assert str(prototype.result) == "int64_t"
    assert [(p.name, str(p.type), p.register) for p in prototype.parameters] == [
        ("a", "const int32_t *", "rdi"),
        ("n", "size_t", "rsi"),
    ]


def test_numbers_and_pointers_take_registers_in_the_order_of_the_abi() -> None:
    prototype = parse_prototype("void f(int a, double x, char *s, float y, long b, int c, int d, int e)")
    assert [p.register for p in prototype.parameters] == [
        "rdi",
        "xmm0",
        "rsi",
        "xmm1",
        "rdx",
        "rcx",
        "r8",
        "r9",
    ]


@pytest.mark.parametrize(
    "text", ["int f(void)", "int f()", "int f(void);", "int\nf ( void ) ; ", "int f(void) // none"]
)
def test_no_parameters_may_be_written_in_every_way(text: str) -> None:
    assert parse_prototype(text).parameters == ()


@pytest.mark.parametrize("text", ["int f(char s[])", "int f(char s[16])", "int f(char *s)", "int f(char *const s)"])
def test_an_array_parameter_is_a_pointer(text: str) -> None:
    assert parse_prototype(text).parameters[0].type == Pointer(Scalar("char", "integer", 1, True))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "a prototype is needed"),
        ("int f(", "is not complete"),
        ("int f(foo x)", "is 'foo' a type?"),
        ("int f(x)", "'x' of f() has no type"),
        ("int x", "not a function"),
        ("int f(int a, ...)", "takes `...`"),
        ("int f(int a) { return a; }", "body is the assembly"),
        ("int f(int a); int g(int b)", "declares 2"),
        ("int f(int a, int a)", "two parameters named 'a'"),
        ("int f(int a, int b, int c, int d, int e, int f, int g)", "six integers and pointers"),
        ("int f(" + ", ".join(f"double x{i}" for i in range(9)) + ")", "eight floating-point"),
        ("int f(struct point *p)", "struct point is not defined"),
        ("struct point {int x;}; int f(struct point p)", "pass a pointer"),
        ("struct point {int x;}; struct point f(int a)", "by value"),
        ("long double f(int a)", "'long double', which is not known"),
        ("int f(void x)", "cannot be void"),
        ("union u {int a; float b;}; int f(int a)", "not a function"),
        ("struct s {int a : 3;}; int f(struct s *p)", "bit field"),
        ("int " + "*" * 500 + "f(void)", "nested too deep"),
        ("int f(int " + "(" * 5000 + "x" + ")" * 5000 + ")", "nested too deep"),
        ("int f(int x" + "[2]" * 500 + ")", "nested too deep"),
        ("typedef struct node node_t; int f(node_t n)", "struct node is not defined"),
        ("struct s {int a[n];}; int f(struct s *p)", "needs a plain number"),
        ("#include <stdio.h>\nint f(void)", "#"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(text: str, part: str) -> None:
    with pytest.raises(PrototypeError) as caught:
        parse_prototype(text)
    assert part in str(caught.value)


def test_equal_texts_give_one_prototype() -> None:
    assert parse_prototype("int f(int a)") is parse_prototype("int f(int a)")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("enum item {A, B}; int f(enum item x)", "int"),
        ("typedef enum {A, B} item; item f(item x)", "int"),
        ("typedef struct node node_t; size_t f(node_t *t)", "node_t *"),
        ("typedef struct node *list; size_t f(list t)", "struct node *"),
        ("struct node; struct node *f(const struct node *t)", "const struct node *"),
        ("struct node {int v; struct node *next;}; int f(struct node *t)", "struct node *"),
        ("typedef struct node node_t; struct node {node_t *next;}; int f(node_t *t)", "struct node *"),
        ("int f(const char *const names[])", "const char *const *"),
        ("int f(int m[2][3])", "int[3] *"),
        ("typedef int row[3]; int f(row *m)", "int[3] *"),
        ("typedef int row[3]; int f(row m)", "int *"),
    ],
)
def test_what_courses_declare_is_read(text: str, shown: str) -> None:
    assert str(parse_prototype(text).parameters[0].type) == shown


def test_the_length_of_an_array_may_be_an_expression_of_constants() -> None:
    text = "enum {N = 4, M}; struct s {int a[N * 2 + M - 0x1][010];}; int f(struct s *p)"
    kind = parse_prototype(text).parameters[0].type
    assert isinstance(kind, Pointer)
    assert kind.target is not None
    assert kind.target.size == 4 * (4 * 2 + 5 - 1) * 8
