"""The words that were agreed on: what a user reads has the field's usual ones, and one word for one thing.

Read are the pages, and every sentence in the code that a user may see: texts, and the docstrings that are help.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer

from stripe_cio_pipeline.cli.app import app

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "stripe_cio_pipeline"
PAGES = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
COMMANDS = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]

#: What was stumbled over, and what says it as people do.
INSTEAD = {
    r"proves? (your )?keys": "verifies your keys",
    r"a look costs": "each poll costs",
    r"before it does much": "before big changes",
    r"wants? to be approved": "needs your approval",
    r"(?<!`)\bdue again": "queued for another try, sent again",
    r"empt(y|ies) (what|everything that) is kept": "erases the local copy",
    r"for good and refuses": "is bound to one account and one workspace",
    r"because something was started": "starting it never sends anything",
    r"beside a peer": "next to a competing tool",
    r"(?<![`'])\banew\b": "again; recomputed, rewritten, from scratch",
    r"worked out again": "recomputed",
    r"full tick": "one full run",
    r"of them 0 events": "0 of them events",
    r"still due": "pending",
    r"the look at Stripe cost": "checking Stripe took",
    r"surely linked": "until new links were confirmed",
    r"is there once": "is there exactly once",
    r"\b(stands?|stood) (in|under|here|there)\b(?! (for|the place|its place))": "is in; you find it under",
    r"nothing of (that|this|it) is\b": "none of these is",
    r"if it (is|was) meant": "if this is intended",
    r"came since asks": "later changes need a new approval",
    r"by lag alone": "only delayed",
    r"(?<!counts )\bas (it was )?accepted\b": "matches",
    r"removed there": "deleted in Customer.io",
    r"whole story": "full traceback",
    r"the way of a change": "how long a change takes, step by step",
    r"lacks something says": "a step with a missing input says",
}
#: One word for one thing (docs/glossary.md), where another was used for it.
GLOSSARY = {
    r"golden record": "person",
    r"\bcheckpoints?\b": "cursor, watermark",
    r"read quota": "read allocation",
    r"dead[- ]letter": "rejected",
    r"\bupsert": "identify",
    r"data ?warehouse": "warehouse",
    r"reverse sync": "verify",
}


@cache
def texts() -> tuple[tuple[str, str], ...]:
    """All that a user reads, each with its place, on one line."""
    return tuple((place, " ".join(text.split())) for place, text in (*_of_pages(), *_of_code()))


def _of_pages() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        outside_code = re.sub(
            r"^```.*?^```|^    .*?$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
        )
        for part in re.split(r"\n\s*\n|\n(?=[|#*-])", outside_code):
            yield page.name, part


def _of_code() -> Iterator[tuple[str, str]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        help_texts = {
            id(node.body[0].value)  # type: ignore[attr-defined]
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef)
            and file.parent.name == "cli"
            and node.name.replace("_", "-") in COMMANDS
        }
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
            if is_text and id(node) not in docstrings - help_texts:
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node.value  # type: ignore[attr-defined]


@pytest.mark.parametrize("rules", [INSTEAD, GLOSSARY], ids=["plain English", "the glossary"])
def test_no_text_falls_back_on_words_that_were_given_up(rules: dict[str, str]) -> None:
    found = [
        f"{place}: …{text[max(0, match.start() - 30) : match.end() + 30]}… → {better}"
        for word, better in rules.items()
        for place, text in texts()
        if (match := re.search(word, text, flags=re.IGNORECASE))
    ]
    assert not found, "\n".join(found)


def test_what_a_user_reads_is_found_in_pages_help_and_messages() -> None:
    """Else the rules would hold of nothing."""
    read = " ".join(text for _, text in texts())
    for sentence in (
        "Keeps Customer.io in step with Stripe",
        "Delete and suppress a person in Customer.io",
        "STRIPE_API_KEY is not set.",
        "share of Stripe's limits that may be used",
    ):
        assert sentence in read, sentence


@pytest.mark.parametrize(
    "now",
    [
        "proves keys, each permission",
        "a first load wants to be approved",
        "everybody is computed anew",
        "0 still due",
        "Both stand in Customer.io under",
        "Nothing of that is rejected",
        "If it is meant",
        "by lag alone",
        "for the whole story, and report that",
    ],
)
def test_every_sentence_that_was_stumbled_over_is_caught(now: str) -> None:
    assert any(re.search(word, now, flags=re.IGNORECASE) for word in INSTEAD), now
