"""Values of every kind, in the forms that people and programs write them, and values that only look alike."""

import base64
import hashlib
import json
import string
import uuid
from ipaddress import IPv6Address

from labelled_draws import ALNUM, FORMS, HEX, UPPER, URL_SAFE
from labelled_ids import NationalIds


def luhn_digit(payload: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(payload)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return str((10 - total % 10) % 10)


def is_luhn(digits: str) -> bool:
    """Return whether the digits end with their Luhn digit."""
    return luhn_digit(digits[:-1]) == digits[-1]


class Values(NationalIds):
    """One method for each slot of the passages."""

    # People and places

    def name(self) -> str:
        return self._pick(*FORMS["names"])

    def email(self) -> str:
        chance = self._chance
        first, last = self._of(string.ascii_lowercase, chance.randint(2, 8)), self._of(string.ascii_lowercase, 6)
        local = self._pick(
            first,
            f"{first}.{last}",
            f"{first}_{last}",
            f"{first}+{last}",
            f"{first[0]}{last}{self._digits(2)}",
            first.capitalize() + "." + last.capitalize(),
            f"{first}-{last}",
            "info",
            "o'" + last,
            self._digits(9),
        )
        domain = self._pick(*FORMS["domains"])
        return f"{local}@{domain if chance.random() < 0.9 else domain.upper().replace('Ü', 'ü').replace('Ö', 'ö')}"

    def phone(self) -> str:
        """A number whose form alone tells that it is one."""
        return self._shaped_as("phone")

    def bare_phone(self) -> str:
        """Digits that only the words before them tell to be a phone number."""
        return self._shaped_as("bare_phone")

    def card(self) -> str:
        prefix, length = self._chance.choice(FORMS["card_ranges"])
        payload = prefix + self._digits(length - len(prefix) - 1)
        digits = payload + luhn_digit(payload)
        separator = self._pick("", " ", "-", "", " ", ".", "\u00a0", "  ")
        groups = {14: (4, 6, 4), 15: (4, 6, 5)}.get(length, (4, 4, 4, 4, 4))
        pieces, last = [], 0
        for group in groups:
            if digits[last : last + group]:
                pieces.append(digits[last : last + group])
            last += group
        return separator.join(pieces)

    def iban(self) -> str:
        country, shape = self._chance.choice(FORMS["iban_shapes"])
        alphabets = {"#": string.digits, "U": UPPER, "A": UPPER + string.digits}
        account = "".join(self._chance.choice(alphabets[c]) for c in shape)
        number = int("".join(str(int(c, 36)) for c in account + country + "00"))
        iban = f"{country}{98 - number % 97:02d}{account}"
        separator = self._pick("", " ", "", " ", "-", "\u00a0")
        iban = separator.join(iban[i : i + 4] for i in range(0, len(iban), 4))
        return iban.lower() if self._chance.random() < 0.05 else iban

    # Networks

    def ip(self) -> str:
        chance = self._chance
        if chance.random() < 0.6:
            first = chance.choice([n for n in range(1, 224) if n != 127])
            return f"{first}." + ".".join(str(chance.randint(0, 255)) for _ in range(3))
        address = IPv6Address(
            chance.choice(
                (
                    0x20010DB8 << 96 | chance.getrandbits(96),
                    0xFE80 << 112 | chance.getrandbits(64),
                    0x20010DB8 << 96 | chance.getrandbits(16),
                    0xFFFF << 32 | (chance.getrandbits(30) | 1 << 29),
                    0x2A00 << 112 | chance.getrandbits(112),
                )
            )
        )
        return self._pick(str(address), address.exploded, str(address).upper())

    # Credentials

    def jwt(self) -> str:
        def part(value: object) -> str:
            return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

        header = part({"alg": self._pick("HS256", "RS256", "ES512"), "typ": "JWT"})
        payload = part({"sub": self._digits(8), "name": self._of(ALNUM, 8), "iat": int(self._digits(9))})
        return f"{header}.{payload}.{self._of(URL_SAFE, self._chance.choice((43, 86, 342)))}"

    def api_key(self) -> str:
        of, pick = self._of, self._pick
        upper_digits = UPPER + string.digits
        base32 = UPPER + "234567"
        return self._chance.choice(
            (
                lambda: "sk-" + of(ALNUM, 20) + "T3BlbkFJ" + of(ALNUM, 20),
                lambda: "sk-proj-" + of(URL_SAFE, 74) + "T3BlbkFJ" + of(URL_SAFE, 74),
                lambda: "sk-svcacct-" + of(URL_SAFE, 120),
                lambda: "sk-admin-" + of(URL_SAFE, 120),
                lambda: "sk-ant-api03-" + of(URL_SAFE, 93) + "AA",
                lambda: "sk-ant-admin01-" + of(URL_SAFE, 93) + "AA",
                lambda: "sk-or-v1-" + of(HEX, 64),
                lambda: "sk-" + of(HEX, 32),
                lambda: "xai-" + of(ALNUM, 80),
                lambda: "gsk_" + of(ALNUM, 52),
                lambda: "AIza" + of(URL_SAFE, 35),
                lambda: "hf_" + of(ALNUM, 34),
                lambda: "hf_" + of(string.ascii_letters, 34),
                lambda: "nvapi-" + of(URL_SAFE, 64),
                lambda: "r8_" + of(ALNUM, 37),
                lambda: "fw_" + of(ALNUM, 22),
                lambda: "pplx-" + of(ALNUM, 48),
                lambda: pick("AKIA", "ASIA") + of(base32, 16),
                lambda: pick("ghp_", "gho_", "ghu_", "ghs_", "ghr_") + of(ALNUM, 36),
                lambda: "github_pat_" + of(ALNUM, 22) + "_" + of(ALNUM, 59),
                lambda: "glpat-" + of(URL_SAFE, 20),
                lambda: "xoxb-" + self._digits(12) + "-" + self._digits(12) + "-" + of(ALNUM, 24),
                lambda: (
                    "xoxp-" + self._digits(12) + "-" + self._digits(12) + "-" + self._digits(12) + "-" + of(HEX, 32)
                ),
                lambda: "xapp-1-A" + of(upper_digits, 10) + "-" + self._digits(13) + "-" + of(HEX, 64),
                lambda: pick("sk_live_", "rk_live_", "sk_test_") + of(ALNUM, int(pick("24", "99"))),
                lambda: "SK" + of(HEX, 32),
                lambda: "SG." + of(URL_SAFE, 22) + "." + of(URL_SAFE, 43),
                lambda: "npm_" + of(ALNUM, 36),
                lambda: "pypi-AgEIcHlwaS5vcmc" + of(URL_SAFE, 150),
                lambda: "dop_v1_" + of(HEX, 64),
                lambda: "dapi" + of(HEX, 32),
                lambda: "hvs." + of(URL_SAFE, 90),
                lambda: "shpat_" + of(HEX, 32),
                lambda: "ya29." + of(URL_SAFE, 120),
                lambda: self._digits(10) + ":AA" + of(URL_SAFE, 33),
            )
        )()

    def webhook(self) -> str:
        upper_digits = UPPER + string.digits
        path = f"T{self._of(upper_digits, 8)}/B{self._of(upper_digits, 10)}/{self._of(ALNUM, 24)}"
        return f"https://hooks.slack.com/services/{path}"

    def private_key(self) -> str:
        label = self._pick("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ")
        body = "\n".join(self._of(ALNUM + "+/", 64) for _ in range(self._chance.randint(3, 26)))
        block = f"-----BEGIN {label}PRIVATE KEY-----\n{body}\n{self._of(ALNUM, 20)}==\n-----END {label}PRIVATE KEY-----"
        return block if self._chance.random() < 0.7 else block.replace("\n", "\\n")

    def password(self) -> str:
        """What people choose, without the quotes and spaces that would end it."""
        return self._pick(
            self._of(string.ascii_lowercase, 6) + self._digits(2),
            "Summer" + self._digits(4) + "!",
            self._of(ALNUM, 12),
            self._of(ALNUM + "!#%^*_+=?~", 11) + "7",
            "hunter2",
            "P@ssw0rd" + self._digits(2),
            "correct-horse-battery-" + self._digits(1),
        )

    def secret(self) -> str:
        return self._pick(
            self._of(HEX, 32),
            self._of(HEX, 40),
            self._of(ALNUM, 32),
            self._of(ALNUM + "+/", 40),
            self._of(URL_SAFE, 43),
            self._of(ALNUM, 24),
            self._of(ALNUM + "+/", 86) + "==",
            self._of(ALNUM, 20) + self._digits(2),
        )

    url_secret = secret

    def basic(self) -> str:
        user = self._pick("admin", "svc-report", "joe@example.com")
        return base64.b64encode(f"{user}:{self.password()}".encode()).decode()

    # What only looks alike

    def order(self) -> str:
        return self._shaped_as("order")

    def uuid(self) -> str:
        value = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        return self._pick(value, value, value.upper())

    def hash(self) -> str:
        digest = hashlib.sha256(self._digits(9).encode()).hexdigest()
        return self._pick(digest, digest[:40], digest[:32], digest[:7], f"sha256:{digest}")

    def fingerprint(self) -> str:
        return self._pick(
            f"hmac1:{self._of(HEX, 8)}:{self._of(HEX, 64)}",
            "sk-…" + self._of(ALNUM, 4),
            "sk-proj-…" + self._of(ALNUM, 4),
        )

    def version(self) -> str:
        return self._shaped_as("version")

    def date(self) -> str:
        chance = self._chance
        y, m, d = chance.randint(1990, 2030), chance.randint(1, 12), chance.randint(1, 28)
        time = f"{chance.randint(0, 23):02d}:{chance.randint(0, 59):02d}:{chance.randint(0, 59):02d}"
        return self._pick(
            f"{y}-{m:02d}-{d:02d}",
            f"{d:02d}/{m:02d}/{y}",
            f"{d:02d}.{m:02d}.{y}",
            f"{m}/{d}/{y}",
            f"{y}{m:02d}{d:02d}",
            f"{y}-{m:02d}-{d:02d} {time}",
            f"{y}-{m:02d}-{d:02d}T{time}.{self._digits(6)}Z",
            f"{d:02d}.{m:02d}.{y} {time}",
            f"{y}年{m}月{d}日",
            f"{y}/{m:02d}/{d:02d} {time}",
            time,
            f"2020-{y}",
        )

    def price(self) -> str:
        return self._shaped_as("price")

    def isbn(self) -> str:
        return self._shaped_as("isbn")

    def tracking(self) -> str:
        return self._shaped_as("tracking")

    def base64_image(self) -> str:
        return "data:image/png;base64,iVBORw0KGgo" + self._of(ALNUM + "+/", 120) + "="

    def not_a_card(self) -> str:
        while True:
            digits = self._pick("4", "51", "62", "9", "1") + self._digits(15)
            digits = digits[:16]
            if not is_luhn(digits):
                return self._pick(digits, " ".join(digits[i : i + 4] for i in range(0, 16, 4)))

    def timestamp(self) -> str:
        return self._shaped_as("timestamp")

    def code_word(self) -> str:
        return self._pick(*FORMS["code_words"])
