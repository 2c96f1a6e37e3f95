"""Reports of every kind: the same words as text and as HTML, and nothing that differs from run to run."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest

from execmem_kernel.views.outcome import outcome_report
from execmem_kernel.views.report import Report
from tests.views.outcomes import null_read
from tests.views.samples import SAMPLES, samples

every_report = pytest.mark.parametrize("report", SAMPLES.values(), ids=SAMPLES)


class Page(HTMLParser):
    """What a reader of some HTML gets: its words, its tags, its attributes, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data.replace(":", " ").split()


@every_report
def test_html_says_what_the_text_says(report: Report) -> None:
    words = Page(report.html()).words
    for word in report.text().replace(":", " ").replace("`", "").split():
        if word not in ("-->", "<--"):
            assert word in words


@every_report
def test_html_survives_an_untrusted_notebook(report: Report) -> None:
    """JupyterLab's sanitizer takes out style sheets, pictures, scripts, roles and data attributes."""
    page = Page(report.html())
    assert page.open == []
    allowed = {"div", "b", "pre", "code", "table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary"}
    assert page.tags <= allowed
    assert page.attributes <= {"style", "scope", "open"}


@every_report
def test_html_is_legible_on_light_and_dark_paper(report: Report) -> None:
    """Text keeps the colour of the page: only the edge beside it is coloured."""
    for style in re.findall(r'style="([^"]*)"', report.html()):
        for declaration in style.split(";"):
            name = declaration.split(":")[0].strip()
            assert name not in ("color", "background", "background-color")


@every_report
def test_the_bundle_always_has_text_and_html(report: Report) -> None:
    assert report._repr_mimebundle_() == {"text/plain": report.text(), "text/html": report.html()}
    assert not report.text().endswith("\n")


def test_the_same_values_give_the_same_report() -> None:
    assert {name: report.html() for name, report in samples().items()} == {
        name: report.html() for name, report in SAMPLES.items()
    }


def test_code_in_a_sentence_is_set_as_code() -> None:
    cause = dataclasses.replace(null_read().cause, look_at="try `lea rax, [x]` <first>")
    report = outcome_report(dataclasses.replace(null_read(), cause=cause))
    assert "try <code>lea rax, [x]</code> &lt;first&gt;" in report.html()
    assert "try `lea rax, [x]` <first>" in report.text()
