"""The tables that editors read: they are current, portable, and say what the assembler says."""

from __future__ import annotations

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from execmem_kernel.assembly.assembler import assemble
from execmem_kernel.assembly.syntax.dialect_detection import dialect_of
from execmem_kernel.assembly.syntax.dialects import NASM
from execmem_kernel.assembly.syntax.literals import number
from execmem_kernel.assembly.syntax.tokens import tokenize
from execmem_kernel.editor.directive_words import directive_words
from execmem_kernel.editor.register_words import register_sentence
from execmem_kernel.editor.snippets import SNIPPETS
from execmem_kernel.editor.table import examples, language
from execmem_kernel.x86.mnemonics import is_mnemonic
from execmem_kernel.x86.registers import canonical_register

ROOT = Path(__file__).parent.parent.parent
EDITOR = ROOT / "execmem_kernel" / "editor"
TABLE: dict[str, Any] = json.loads((EDITOR / "language.json").read_text())
PROGRAMS = sorted(path for path in (ROOT / "tests" / "assembly" / "programs").glob("*/*") if path.is_file())


@cache
def wanted() -> dict[str, str]:
    """What the script would write."""
    spec = importlib.util.spec_from_file_location("language_table", ROOT / "scripts" / "language_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    texts: dict[str, str] = module.texts()
    return texts


@pytest.mark.parametrize("name", ["language.json", "mnemonics.json"])
def test_the_file_is_what_the_tables_say(name: str) -> None:
    assert (EDITOR / name).read_text() == wanted()[name], "run scripts/language_table.py"


def patterns(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [row for name, inner in value.items() for row in patterns(inner, f"{path}.{name}")]
    if isinstance(value, list):
        return [(f"{path}.{index}", inner) for index, inner in enumerate(value) if isinstance(inner, str)]
    return [(path, value)]


PATTERNS = [
    *patterns(TABLE["patterns"], "patterns"),
    *patterns({key: TABLE["dialects"][key] for key in TABLE["dialects"] if key != "nasm_words"}, "dialects"),
    ("magic", TABLE["magic"]),
]


@pytest.mark.parametrize(("path", "pattern"), PATTERNS)
def test_a_pattern_is_written_in_what_three_engines_share(path: str, pattern: str) -> None:
    re.compile(pattern, re.IGNORECASE)
    bare = re.sub(r"\\.|\[(?:[^\]\\]|\\.)*\]", "x", pattern)
    assert not re.search(r"[*+?}]\+", bare), "JavaScript has no possessive quantifiers"
    assert not re.search(r"\(\?(?![:=!])", bare), "no look-behind, no named groups, no flags"
    assert not re.search(r"\\[ABGZzQEhHR]", pattern), "no anchors that JavaScript lacks"


@given(st.from_regex(r"\A[0-9][0-9A-Fa-fxXhHbByYoOqQdDtT_.]{0,8}\Z"))
def test_a_number_is_coloured_where_the_assembler_reads_one(text: str) -> None:
    coloured = re.fullmatch(TABLE["patterns"]["number"], text, re.IGNORECASE) is not None
    token = tokenize(text, NASM)[0]
    if token.text != text or "." in text or re.fullmatch(r"[0-9]+e[0-9]+", text, re.IGNORECASE):
        return  # several tokens, or a number with a fraction, which directives read
    # Where nothing is declared `1b` is a label before it.
    assert coloured == (number(text, NASM) is not None) or re.fullmatch("[0-9]+[bB]", text), text


def test_every_register_is_coloured_and_nothing_else() -> None:
    pattern = re.compile(TABLE["patterns"]["register"], re.IGNORECASE)
    for family in TABLE["registers"].values():
        for name in family:
            assert pattern.match(name)
            assert pattern.match(name.upper()), name
            assert canonical_register(name) == name
    for word in ("raxx", "r16", "xmm32", "sti", "mov", "axe"):
        assert pattern.match(word) is None


def detected(source: str) -> str:
    """What an editor in another language makes of the patterns."""
    declared = TABLE["dialects"]

    def has(name: str) -> bool:
        return re.search(declared[name], source, re.MULTILINE | re.IGNORECASE) is not None

    words = {*TABLE["names_before"], *TABLE["prefixes"], *TABLE["mnemonics"], *TABLE["att_mnemonics"]}
    directives = re.finditer(declared["gnu_directive"], source, re.MULTILINE | re.IGNORECASE)
    alone = has("nasm_preprocessor") or has("nasm_alone")
    gnu, directive = has("gnu_word"), any(found[1].lower() not in words for found in directives)
    if not (alone or gnu or directive) and has("masm_word"):
        return "MASM"
    if alone or has("nasm_word"):
        return "no dialect" if gnu or directive or (not alone and has("gnu_section")) else "NASM"
    return "GNU as" if gnu else "no dialect"


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_the_dialect_is_the_assemblers(path: Path) -> None:
    source = path.read_text()

    found = detected(source)
    wanted = dialect_of(source)
    assert found == (wanted.name if wanted.name != "several dialects" else "no dialect")


def test_every_mnemonic_of_the_table_is_one() -> None:
    assert all(map(is_mnemonic, TABLE["mnemonics"]))
    assert not set(TABLE["att_mnemonics"]) & set(TABLE["mnemonics"])


def test_every_directive_has_words_and_its_example_assembles() -> None:
    for dialect, names in language().directives.items():
        for name in names if dialect != "gnu_prefixes" else ():
            words = directive_words(name)
            assert words is not None, name
            assert words.sentence.endswith((".", "`.")), name
            if words.example:
                assert name in words.example
                assemble(words.example)


def test_every_register_has_a_sentence() -> None:
    for family in language().registers.values():
        for name in family:
            assert register_sentence(name)[0].isupper()
            assert register_sentence(name).endswith(".")


def test_an_option_says_what_its_value_is() -> None:
    for name, option in language().options.items():
        assert option.help, name
        assert (option.value is None) == (option.kind == ""), name


def test_an_example_begins_with_its_mnemonic() -> None:
    assert all(example.source.split()[0] == name for name, example in examples().items())


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.title)
def test_a_snippet_is_the_same_program_in_both_syntaxes(snippet: Any) -> None:
    intel, att = assemble(snippet.intel), assemble(snippet.att, "att")
    assert intel.code == att.code
    assert not intel.warnings
    assert not att.warnings
