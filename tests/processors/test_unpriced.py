"""One sentence for calls without a cost, and the command that lists the same calls."""

from tokentrail.processors.unpriced import Unpriced, unpriced_hint


def test_a_hint_counts_and_names_the_command_as_a_shell_takes_it() -> None:
    assert unpriced_hint(0) == ""
    assert unpriced_hint(1) == "1 unpriced call is in no sum: `tokentrail prices missing` says why."
    told = unpriced_hint(1_234, ["--since", "7d", "--where", "user=ann lee"])
    assert told.startswith("1,234 unpriced calls are in no sum: ")
    assert "`tokentrail prices missing --since 7d --where 'user=ann lee'`" in told


def test_each_reason_has_words_of_its_own() -> None:
    assert len({reason.phrase for reason in Unpriced}) == len(Unpriced)
