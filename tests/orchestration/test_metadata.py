"""What is shown in the UI, and what never is."""

import pytest

from stripe_cio_pipeline.orchestration.metadata import masked, masked_value, numbers, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("customer-12@example.com", "cu…@example.com"),
        ("a@example.com", "a…@example.com"),
        ("email is customer-12@example.com; was lead@example.com.", "email is cu…@example.com; was le…@example.com."),
        ('{"email":"customer+tag@example.com"}', '{"email":"cu…@example.com"}'),
        ("sk_live_51Habcdefghij was refused", "sk_live_… was refused"),
        ("rk_test_abcdefghijk", "rk_test_…"),
        ("cus_NffrFeUfNV2Hib has no email", "cus_NffrFeUfNV2Hib has no email"),
    ],
)
def test_addresses_and_keys_are_masked_wherever_they_stand(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_what_names_a_person_is_not_shown_at_all() -> None:
    assert masked_value("name", "A name") == "…"
    assert masked_value("phone", "+1 555 0100") == "…"
    assert masked_value("mrr", 49.0) == "49.00"
    assert masked_value("plan", None) == "–"


def test_a_table_keeps_its_form_whatever_the_cells_hold() -> None:
    written = table(("id", "what"), [("cus_1", "a|b\nc <img>"), ("cus_2", "x" * 500)])
    lines = written.splitlines()
    assert len(lines) == 4
    assert lines[2] == "| cus_1 | a&#124;b c &#60;img&#62; |"
    assert lines[3].endswith("… |")


def test_an_empty_table_says_so() -> None:
    assert table(("id",), [], nothing="Nothing is due.") == "Nothing is due."


def test_an_unknown_figure_is_left_out_and_never_drawn_as_zero() -> None:
    assert set(numbers({"read": 3, "lag_seconds": None, "seconds": 0.5})) == {"read", "seconds"}
