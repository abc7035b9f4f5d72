"""Check digits: whether digits that look like a number of some kind can be one. All take digits without separators."""

# ruff: noqa: PLR2004 - the numbers are lengths and ranges of published formats

from typing import Final

_DOUBLED: Final = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))
_VERHOEFF_PERMUTATION: Final = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
_PERMUTED: Final = [list(range(10))]
for _ in range(7):
    _PERMUTED.append([_VERHOEFF_PERMUTATION[number] for number in _PERMUTED[-1]])
_DIHEDRAL: Final = [
    [
        (left + right) % 5 + right // 5 * 5 if left < 5 else (left - right) % 5 + (1 - right // 5) * 5
        for right in range(10)
    ]
    for left in range(10)
]
_DNI_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"
_FISCAL_ODD: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_RESIDENT_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def luhn_holds(digits: str) -> bool:
    """Payment cards: ISO/IEC 7812-1, annex B."""
    codes = digits.encode()
    plain, doubled = codes[-1::-2], codes[-2::-2].translate(_DOUBLED)
    return (sum(plain) - 48 * len(plain) + sum(doubled)) % 10 == 0


def iban_holds(iban: str) -> bool:
    """Bank accounts: ISO 13616, MOD 97-10 of ISO/IEC 7064; letters in upper case."""
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1


def verhoeff_holds(digits: str) -> bool:
    """Indian Aadhaar numbers: Verhoeff's scheme in the dihedral group D5."""
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = _DIHEDRAL[check][_PERMUTED[place % 8][int(digit)]]
    return check == 0


def insee_holds(number: str, key: str) -> bool:
    """French social security numbers: 97 less the number's remainder; 2A and 2B of Corsica count as 19 and 18."""
    plain = number.upper().replace("2A", "19").replace("2B", "18")
    return plain.isdigit() and 97 - int(plain) % 97 == int(key)


def steuer_id_holds(digits: str) -> bool:
    """German tax numbers: MOD 11,10 of ISO/IEC 7064; among the first ten, one digit comes twice or three times."""
    counts = sorted((digits[:10].count(digit) for digit in set(digits[:10])), reverse=True)
    if digits[0] == "0" or counts[0] not in (2, 3) or counts[1] != 1:
        return False
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def dni_holds(number: str, letter: str) -> bool:
    """Spanish DNI, and NIE with its X, Y, Z written as 0, 1, 2: the letter is the remainder by 23."""
    return _DNI_LETTERS[int(number) % 23] == letter.upper()


def codice_fiscale_holds(code: str) -> bool:
    """Italian tax codes, in upper case: weights of odd and even places by the decree of 23 December 1976."""
    total = 0
    for place, character in enumerate(code[:15]):
        value = int(character) if character.isdigit() else ord(character) - 65
        total += value if place % 2 else _FISCAL_ODD[value]
    return chr(65 + total % 26) == code[15]


def bsn_holds(digits: str) -> bool:
    """Dutch citizen numbers: the eleven test, with the last digit's weight minus one."""
    weights = (9, 8, 7, 6, 5, 4, 3, 2, -1)
    return digits != "0" * 9 and sum(w * int(digit) for w, digit in zip(weights, digits, strict=True)) % 11 == 0


def resident_id_holds(number: str) -> bool:
    """Chinese resident numbers: GB 11643, MOD 11-2 of ISO/IEC 7064, and a possible date of birth."""
    year, month, day = int(number[6:10]), int(number[10:12]), int(number[12:14])
    if not (1850 <= year <= 2100 and 1 <= month <= 12 and 1 <= day <= 31):
        return False
    remainder = sum(w * int(digit) for w, digit in zip(_RESIDENT_WEIGHTS, number[:17], strict=True)) % 11
    return "10X98765432"[remainder] == number[17].upper()


def cpf_holds(digits: str) -> bool:
    """Brazilian CPF: two MOD 11 digits; eleven equal digits pass the sum and are none."""
    if digits == digits[0] * 11:
        return False
    for length in (9, 10):
        total = sum((length + 1 - place) * int(digits[place]) for place in range(length))
        if total * 10 % 11 % 10 != int(digits[length]):
            return False
    return True
