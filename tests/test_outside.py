"""Text from outside stays text, on a terminal, in JSON and in Markdown."""

import html
import json
import re

import pytest
from markdown_it import MarkdownIt

from stripe_cio_pipeline.outside import escaped, visible, visible_json

ACTS_ON_TERMINALS = {
    "\x1b[31mred\x1b[0m": r"\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "\x9b31m": r"\x9b31m",
    "a\rb\nc\td\0e": r"a\x0db\x0ac\x09d\x00e",
    "back\b\x7f": r"back\x08\x7f",
    "\u202egnp.exe": r"\u202egnp.exe",
    "\u2066\u2069\u200e\u200f\u061c": r"\u2066\u2069\u200e\u200f\u061c",
    "two\u2028lines\u2029more\x85": r"two\u2028lines\u2029more\x85",
    "hid\u200bden\ufeff\u00ad": r"hid\u200bden\ufeff\xad",
    "tag\U000e0041": r"tag\U000e0041",
}
HARMLESS = ["Müller & Søn", "北京", "עברית", "👩\u200d💻", "क्\u200dष", "[brackets]", "C:\\path", "a  b"]

MARKDOWN = [
    "![beacon](http://example.com/beacon.png)",
    "[click](http://example.com)",
    "[click][1]\n\n[1]: http://example.com",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<http://example.com>",
    "a | b | c",
    "**bold** *italic* ~~gone~~ `code` _soft_ __loud__",
    "```\ncode\n```",
    "&lt;b&gt; &copy; &#33;",
    "http://example.com www.example.com https://example.com/x_y_z",
    "\\![b](http://example.com/b.png)",
    "two\nlines\n\n# heading",
    "$x$ $$y$$",
    "subscription_status and a_b_c",
]


@pytest.mark.parametrize(("text", "shown"), ACTS_ON_TERMINALS.items())
def test_what_a_terminal_would_act_on_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("text", HARMLESS)
def test_letters_of_the_world_stay(text: str) -> None:
    assert visible(text) == text


def test_lines_of_our_own_stay_lines() -> None:
    assert visible("one\n\ttwo\x1b", lines=True) == "one\n\ttwo\\x1b"


@pytest.mark.parametrize("text", [*ACTS_ON_TERMINALS, *HARMLESS, "\U000e0041", "\ud83d"])
def test_json_is_the_same_and_harmless(text: str) -> None:
    written = visible_json(json.dumps({text: [text]}, ensure_ascii=False))

    assert json.loads(written) == {text: [text]}
    assert visible(written) == written


@pytest.mark.parametrize("text", [*MARKDOWN, *ACTS_ON_TERMINALS, *HARMLESS])
def test_markdown_shows_what_was_written_and_nothing_else(text: str) -> None:
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(f"| a |\n|---|\n| {escaped(text)} |")

    cells = re.findall(r"<td>(.*?)</td>", page, re.DOTALL)
    assert [re.sub(r"\s+", " ", html.unescape(cell)) for cell in cells] == [re.sub(r"\s+", " ", visible(text))]
    assert re.findall(r"<(?!/?(?:table|thead|tbody|tr|th|td)>)", page) == []


@pytest.mark.parametrize(
    "address", ["http://example.com", "https://example.com", "www.example.com", "ftp://example.com"]
)
def test_no_address_becomes_a_link(address: str) -> None:
    """GitHub's Markdown makes links of bare addresses, before it reads entities."""
    assert not re.search(r"(?i)(https?|ftp)://|www\.", escaped(f"see {address}"))
