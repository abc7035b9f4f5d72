"""National ids, with the check digits that their issuers describe."""

import re
import string

from labelled_draws import UPPER, Draws


class NationalIds(Draws):
    """Ids of ten countries, as they are written."""

    def ssn(self) -> str:
        area = self._chance.choice([n for n in range(1, 900) if n != 666])
        separator = self._pick("-", "-", "-", " ")
        return separator.join(
            (f"{area:03d}", f"{self._chance.randint(1, 99):02d}", f"{self._chance.randint(1, 9999):04d}")
        )

    def bare_ssn(self) -> str:
        return re.sub(r"\D", "", self.ssn())

    def nino(self) -> str:
        prefix = self._chance.choice(
            [
                a + b
                for a in "ABCEGHJKLMNOPRSTWXYZ"
                for b in "ABCEGHJKLMNPRSTWXYZ"
                if a + b not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")
            ]
        )
        separator = self._pick("", " ", "-")
        return separator.join((prefix, self._digits(2), self._digits(2), self._digits(2), self._pick(*"ABCD")))

    def insee(self) -> str:
        chance = self._chance
        department = self._pick(*(f"{n:02d}" for n in range(1, 96) if n != 20), "2A", "2B", "99")
        month = f"{chance.randint(1, 12):02d}"
        parts = [self._pick("1", "2"), self._digits(2), month, department, self._digits(3), self._digits(3)]
        number = int("".join(parts).replace("2A", "19").replace("2B", "18"))
        separator = self._pick("", " ", " ")
        return separator.join([*parts, f"{97 - number % 97:02d}"])

    def steuer_id(self) -> str:
        chance = self._chance
        digits = chance.sample(string.digits, 9)
        digits.insert(chance.randint(0, 9), chance.choice(digits))
        if digits[0] == "0":
            digits.append(digits.pop(0)) if digits[1] != "0" else digits.reverse()
        if digits[0] == "0":
            return self.steuer_id()
        remainder = 10
        for digit in digits:
            remainder = 2 * ((int(digit) + remainder) % 10 or 10) % 11
        number = "".join(digits) + str((11 - remainder) % 10)
        return f"{number[:2]} {number[2:5]} {number[5:8]} {number[8:]}" if chance.random() < 0.6 else number

    def dni(self) -> str:
        number = self._chance.randint(1_000_000, 99_999_999)
        letter = "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23]
        digits = f"{number:08d}"
        if self._chance.random() < 0.3:
            prefix = self._chance.randint(0, 2)
            letter = "TRWAGMYFPDXBNJZSQVHLCKE"[int(f"{prefix}{digits[1:]}") % 23]
            return "XYZ"[prefix] + self._pick("", "-") + digits[1:] + self._pick("", "-") + letter
        return self._pick(
            f"{digits}{letter}",
            f"{digits}-{letter}",
            f"{digits[:2]}.{digits[2:5]}.{digits[5:]}-{letter}",
            f"{digits} {letter}",
            f"{digits}{letter.lower()}",
        )

    def codice_fiscale(self) -> str:
        chance = self._chance
        place = self._of(UPPER, 1) + self._digits(3)
        code = self._of("BCDFGLMNPRSTVZ", 6) + self._digits(2) + self._pick(*"ABCDEHLMPRST")
        code += f"{chance.randint(1, 31) + chance.choice((0, 40)):02d}{place}"
        odd = dict(
            zip(
                string.digits + UPPER,
                (
                    1,
                    0,
                    5,
                    7,
                    9,
                    13,
                    15,
                    17,
                    19,
                    21,
                    1,
                    0,
                    5,
                    7,
                    9,
                    13,
                    15,
                    17,
                    19,
                    21,
                    2,
                    4,
                    18,
                    20,
                    11,
                    3,
                    6,
                    8,
                    12,
                    14,
                    16,
                    10,
                    22,
                    25,
                    24,
                    23,
                ),
                strict=True,
            )
        )
        even = {c: (ord(c) - 65 if c.isalpha() else int(c)) for c in string.digits + UPPER}
        total = sum(odd[c] if place % 2 == 0 else even[c] for place, c in enumerate(code))
        code += UPPER[total % 26]
        return self._pick(code, code, code.lower())

    def bsn(self) -> str:
        while True:
            digits = self._digits(8)
            check = sum((9 - i) * int(d) for i, d in enumerate(digits)) % 11
            if check < 10 and digits[0] != "0":
                number = digits + str(check)
                return self._pick(
                    number, f"{number[:4]}.{number[4:6]}.{number[6:]}", f"{number[:3]} {number[3:6]} {number[6:]}"
                )

    def aadhaar(self) -> str:
        number = self._pick(*"23456789") + self._digits(10)
        number += _verhoeff_digit(number)
        return f"{number[:4]}{(s := self._pick(' ', ' ', '-'))}{number[4:8]}{s}{number[8:]}"

    def bare_aadhaar(self) -> str:
        return re.sub(r"\D", "", self.aadhaar())

    def resident_id(self) -> str:
        chance = self._chance
        region = self._pick("110101", "310104", "440305", "510107", "330106", "42010" + self._pick("2", "3"))
        birth = f"{chance.randint(1940, 2015)}{chance.randint(1, 12):02d}{chance.randint(1, 28):02d}"
        number = region + birth + self._digits(3)
        total = sum(int(d) * (2 ** (17 - i) % 11) for i, d in enumerate(number))
        check = "10X98765432"[total % 11]
        return number + (check if chance.random() < 0.8 else check.lower())

    def cpf(self) -> str:
        digits = self._digits(9)
        for _ in range(2):
            total = sum(int(d) * w for d, w in zip(digits, range(len(digits) + 1, 1, -1), strict=True))
            digits += str((11 - total % 11) % 11 % 10) if total % 11 >= 2 else "0"
        return self._pick(
            f"{digits[:3]}.{digits[3:6]}.{digits[6:9]}-{digits[9:]}", digits, f"{digits[:9]}-{digits[9:]}"
        )

    def national_id(self) -> str:
        """An id that needs no words around it."""
        makers = (
            self.ssn, self.nino, self.insee, self.steuer_id, self.dni, self.codice_fiscale, self.aadhaar,
            self.resident_id, self.cpf,
        )  # fmt: skip
        return self._chance.choice(makers)()


def _verhoeff_digit(number: str) -> str:
    """By the tables of Verhoeff (1969), written out from the group's definition: rotations and reflections."""

    def times(a: int, b: int) -> int:
        table = [[(i + j) % 5 for j in range(5)] + [5 + (i + j) % 5 for j in range(5)] for i in range(5)]
        table += [[5 + (i - j) % 5 for j in range(5)] + [(i - j) % 5 for j in range(5)] for i in range(5)]
        return table[a][b]

    permutations = [list(range(10)), [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]]
    while len(permutations) < 8:
        permutations.append([permutations[-1][permutations[1][n]] for n in range(10)])
    check = 0
    for place, digit in enumerate(reversed(number), start=1):
        check = times(check, permutations[place % 8][int(digit)])
    inverse = next(n for n in range(10) if times(check, n) == 0)
    return str(inverse)
