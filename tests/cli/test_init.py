"""`init` writes the configuration out from where it is declared."""

import re
from pathlib import Path

import pytest
import yaml

from stripe_cio_pipeline.cli.configuration import environment_example, keys, policy_yaml, variables
from stripe_cio_pipeline.errors import SettingsError
from stripe_cio_pipeline.policy import Policy, known_keys, load_policy, parse_policy
from stripe_cio_pipeline.settings import NEEDED, load_settings


def test_the_written_policy_is_the_default_policy() -> None:
    assert parse_policy(yaml.safe_load(policy_yaml())) == Policy()


def test_every_key_stands_in_the_written_policy_with_its_meaning() -> None:
    written = yaml.safe_load(policy_yaml())
    for key in keys():
        section, _, name = key.name.rpartition(".")
        place = written
        for part in section.split("."):
            place = place[part]
        assert name in place
        assert key.meaning


def test_keys_are_the_policys_own() -> None:
    assert [key.name for key in keys()] == list(known_keys())


def test_the_example_environment_begins_with_what_is_needed_and_sets_nothing(tmp_path: Path) -> None:
    lines = environment_example().splitlines()
    to_fill_in = [line for line in lines if line and not line.startswith("#")]
    assert to_fill_in == [f"{name}=" for name in NEEDED]
    assert lines.index("# Needed: fill in these 3.") < lines.index(to_fill_in[0])
    optional = [match[1] for line in lines if (match := re.match(r"# ([A-Z_]+)=", line))]
    assert lines.index(to_fill_in[-1]) < lines.index(next(line for line in lines if line.startswith("# Optional")))
    assert {*NEEDED, *optional} == {variable.name for variable in variables()}
    (tmp_path / ".env").write_text(environment_example())
    untouched = load_settings()
    (tmp_path / ".env").unlink()
    assert untouched == load_settings()


def test_what_the_example_marks_as_needed_is_all_that_is_needed(tmp_path: Path) -> None:
    filled_in = re.sub(r"^([A-Z_]+)=$", r"\1=rk_test_0123456789", environment_example(), flags=re.MULTILINE)
    (tmp_path / ".env").write_text(filled_in)
    load_settings().require_stripe()
    load_settings().require_customerio()
    for name in NEEDED:
        (tmp_path / ".env").write_text(filled_in.replace(f"{name}=rk_test_0123456789", f"{name}="))
        with pytest.raises(SettingsError, match=name):
            (load_settings().require_stripe(), load_settings().require_customerio())


def test_a_fresh_folder_gets_all_files_and_they_load(cli, tmp_path: Path) -> None:
    answer = cli("init", str(tmp_path / "new"))
    assert answer.exit_code == 0
    assert (tmp_path / "new" / ".env").exists()
    assert sorted(path.name for path in (tmp_path / "new" / "models").rglob("*")) == ["events.sql", "people.sql"]
    policy = load_policy(tmp_path / "new" / "stripe_cio.yaml")
    assert policy.models.folder == tmp_path / "new" / "models"


def test_every_model_is_copied_where_that_is_asked_for(cli, tmp_path: Path) -> None:
    cli("init", str(tmp_path / "new"))
    answer = cli("init", "--all", str(tmp_path / "new"), "--json")

    copies = {path.name for path in (tmp_path / "new" / "models").rglob("*.sql")}
    assert {"functions.sql", "members.sql", "recurring.sql", "customers.sql"} < copies
    assert str(tmp_path / "new" / "models" / "people.sql") not in answer.json["written"]


def test_files_that_exist_are_left_alone(cli, tmp_path: Path) -> None:
    (tmp_path / "stripe_cio.yaml").write_text("guard: {max_events: 5}\n")
    answer = cli("init", str(tmp_path), "--json")
    assert answer.exit_code == 0
    assert (tmp_path / "stripe_cio.yaml").read_text() == "guard: {max_events: 5}\n"
    assert answer.json["kept"] == [str(tmp_path / "stripe_cio.yaml")]
    assert str(tmp_path / ".env") in answer.json["written"]


def test_a_folder_that_cannot_be_written_is_named(cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = cli("init", str(tmp_path / "file"))
    assert answer.exit_code == 2
    assert str(tmp_path / "file") in answer.words
