"""The line that a form folds to."""

from explorer.ui.frame import head


def test_a_summary_is_cut_at_a_letter_and_never_within_an_escape():
    """What fits stays whole; else three dots end it within the room."""
    line = head.summary("Digits_MLP", "seed-0 → seed-1")
    assert line == "Digits\\_MLP · seed-0 → seed-1"
    assert head.shortened(line, 1000) == line
    cut = head.shortened(line, 8 * head.LETTER)
    assert cut == "Digits\\_…"
