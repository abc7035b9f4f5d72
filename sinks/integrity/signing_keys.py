"""Keys that sign checkpoints: Ed25519 (RFC 8032), private ones as PKCS #8 PEM in a file of their owner's alone."""

import base64
import binascii
import os
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tokentrail.errors import SettingsError

_TEXT_PREFIX: Final = "ed25519:"
_RAW_BYTES: Final = 32


class PublicKey(msgspec.Struct, frozen=True):
    """Whoever holds it can check signatures and make none."""

    raw: bytes

    @property
    def key_id(self) -> str:
        """The first 16 hexadecimal digits of the key's SHA-256."""
        return sha256(self.raw).hexdigest()[:16]

    @property
    def text(self) -> str:
        """The key in one word, as `tokentrail keys make` prints it and `--key` takes it."""
        return _TEXT_PREFIX + base64.b64encode(self.raw).decode()

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Whether the private key made this signature of this message; 0.1 ms."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class SigningKey:
    """A private key in memory."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        self.public = PublicKey(private.public_key().public_bytes(*raw))

    def sign(self, message: bytes) -> bytes:
        """Return the signature, 64 bytes; the same for the same message."""
        return self._private.sign(message)


def make_signing_key(path: Path, passphrase: str = "") -> SigningKey:
    """Make a key and keep it in a new file that only its owner may read (0600), encrypted where there is a passphrase.

    Raises:
        SettingsError: the file exists, or cannot be written.
    """
    private = Ed25519PrivateKey.generate()
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise SettingsError(f"{path} exists already; a key is never overwritten: name another file.") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be written ({error.strerror}); name another file.") from error
    return SigningKey(private)


def load_signing_key(path: Path, passphrase: str = "") -> SigningKey:
    """Read a private key.

    Raises:
        SettingsError: the file cannot be read, others may read it, its passphrase is another, or it is no Ed25519 key.
    """
    try:
        open_to_others = path.stat().st_mode & 0o077
        pem = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"checkpoint_key {path} cannot be read ({error.strerror}).") from error
    if open_to_others:
        raise SettingsError(f"checkpoint_key {path} can be read by others than its owner: chmod 600 it.")
    try:
        private = serialization.load_pem_private_key(pem, passphrase.encode() or None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(
            f"checkpoint_key {path} cannot be used ({error}); see that it is PEM and that checkpoint_key_password is "
            "its passphrase."
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise SettingsError(f"checkpoint_key {path} is no Ed25519 key; make one with `tokentrail keys make`.")
    return SigningKey(private)


def read_public_key(text: str) -> PublicKey:
    """Read a public key from the word that `tokentrail keys make` prints, or from a PEM file, private or public.

    Raises:
        SettingsError: it is neither.
    """
    if text.startswith(_TEXT_PREFIX):
        try:
            raw = base64.b64decode(text.removeprefix(_TEXT_PREFIX), validate=True)
        except binascii.Error:
            raw = b""
        if len(raw) == _RAW_BYTES:
            return PublicKey(raw)
        raise SettingsError(f"{text!r} is no public key: behind {_TEXT_PREFIX} come 44 characters of Base64.")
    path = Path(text).expanduser()
    try:
        pem = path.read_bytes()
        public = serialization.load_pem_public_key(pem)
    except OSError as error:
        raise SettingsError(
            f"{text} is neither a public key ({_TEXT_PREFIX}…) nor a file that can be read ({error.strerror})."
        ) from error
    except (ValueError, UnsupportedAlgorithm):
        raise SettingsError(f"{path} holds no public key in PEM; `tokentrail keys show` prints one.") from None
    if not isinstance(public, Ed25519PublicKey):
        raise SettingsError(f"{path} is no Ed25519 key.")
    return PublicKey(public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw))
