"""The pages tell what the models do."""

import re
from pathlib import Path

from stripe_cio_pipeline.model import check_models, copy_models
from stripe_cio_pipeline.model.trace import lineage, meanings
from stripe_cio_pipeline.policy import Models, Policy
from tests.model.attributes_page import DOCS, PAGE, projections, render


def test_the_page_of_attributes_is_up_to_date() -> None:
    """Where this fails: python -m tests.model.attributes_page."""
    assert PAGE.read_text(encoding="utf-8") == render()


def test_every_attribute_is_explained_and_nothing_else() -> None:
    assert list(meanings(Policy())) == list(lineage(Policy())) == list(projections())


def test_every_attribute_has_an_example() -> None:
    sections = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]

    assert [section.split("\n")[0] for section in sections if "Examples:" not in section] == []


def test_the_edits_that_the_page_on_models_shows_work(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    copy_models(folder, everything=True)
    page = (DOCS / "models.md").read_text(encoding="utf-8")
    diffs = re.findall(r"```diff\n# (\S+)\n(.*?)```", page, re.DOTALL)
    assert len(diffs) >= 3
    for name, diff in diffs:
        lines = diff.splitlines()
        before = "\n".join(line[1:] for line in lines if line[0] != "+")
        after = "\n".join(line[1:] for line in lines if line[0] != "-")
        text = (folder / name).read_text()
        assert before in text
        (folder / name).write_text(text.replace(before, after))
    for name, sql in re.findall(r"```(?:sql\n--|csv\n#) models/(\S+)\n(.*?)```", page, re.DOTALL):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(sql)

    check_models(Policy(models=Models(folder=folder)))
