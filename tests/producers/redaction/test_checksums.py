"""Check digits, on numbers that issuers and standards publish as examples."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_prompts import PromptMaker

from tokentrail.producers.redaction import checksums

_values = PromptMaker(1).values


@pytest.mark.parametrize("digits", ["4111111111111111", "378282246310005", "30569309025904", "6011111111111117"])
def test_published_test_cards_pass(digits: str) -> None:
    assert checksums.luhn_holds(digits)


@given(st.text("0123456789", min_size=12, max_size=18), st.integers(0, 17), st.integers(1, 9))
@settings(deadline=None)
def test_no_single_wrong_digit_passes_luhn(digits: str, place: int, change: int) -> None:
    whole = next(digits + str(d) for d in range(10) if checksums.luhn_holds(digits + str(d)))
    place %= len(whole)
    wrong = whole[:place] + str((int(whole[place]) + change) % 10) + whole[place + 1 :]
    assert not checksums.luhn_holds(wrong)


@pytest.mark.parametrize(
    "iban", ["GB82WEST12345698765432", "DE89370400440532013000", "FR1420041010050500013M02606", "NO9386011117947"]
)
def test_published_ibans_pass(iban: str) -> None:
    assert checksums.iban_holds(iban)
    assert not checksums.iban_holds(iban[:-1] + ("1" if iban[-1] != "1" else "2"))


def test_published_ids_pass() -> None:
    assert checksums.verhoeff_holds("2363")
    assert checksums.insee_holds("2550814168025", "38")
    assert checksums.steuer_id_holds("86095742719")
    assert checksums.dni_holds("12345678", "Z")
    assert checksums.codice_fiscale_holds("RSSMRA85T10A562S")
    assert checksums.bsn_holds("111222333")
    assert checksums.resident_id_holds("11010519491231002X")
    assert checksums.cpf_holds("11144477735")


def test_neighbours_of_published_ids_fail() -> None:
    assert not checksums.verhoeff_holds("2364")
    assert not checksums.insee_holds("2550814168025", "39")
    assert not checksums.steuer_id_holds("86095742718")
    assert not checksums.steuer_id_holds("12345678901")
    assert not checksums.dni_holds("12345678", "A")
    assert not checksums.codice_fiscale_holds("RSSMRA85T10A562T")
    assert not checksums.bsn_holds("111222334")
    assert not checksums.bsn_holds("000000000")
    assert not checksums.resident_id_holds("110105194912310021")
    assert not checksums.resident_id_holds("11010519491331002X")
    assert not checksums.cpf_holds("11144477734")
    assert not checksums.cpf_holds("11111111111")
