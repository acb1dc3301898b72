"""Ed25519 keys (RFC 8032) in PEM files, named by the digest of their public half.

Reading, making and using keys needs the ``[sign]`` extra; nothing else in this package does.
"""

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from mmaudit.errors import BundleError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ed25519

__all__ = ["PrivateKey", "PublicKey", "generate", "load_private", "load_public"]

_MAX_BYTES = 64 * 2**10
# SubjectPublicKeyInfo of RFC 8410, section 4: for Ed25519 all but the 32 bytes of the key itself is fixed.
_SPKI = bytes.fromhex("302a300506032b6570032100")


@dataclasses.dataclass(frozen=True)
class PublicKey:
    """The half that verifies; ``raw`` are its 32 bytes."""

    raw: bytes

    @property
    def key_id(self) -> str:
        """The SHA-256 (hex) of the key as SubjectPublicKeyInfo in DER, which other tools can compute too."""
        return hashlib.sha256(_SPKI + self.raw).hexdigest()

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Return whether ``signature`` (64 bytes) is this key's over ``message``."""
        _need_cryptography()
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ed25519

        try:
            ed25519.Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclasses.dataclass(frozen=True)
class PrivateKey:
    """The half that signs. Its secret is in no ``repr``."""

    public: PublicKey
    _secret: "ed25519.Ed25519PrivateKey" = dataclasses.field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature; the same for the same message, always (RFC 8032)."""
        return self._secret.sign(message)


def generate(path: Path) -> tuple[PublicKey, Path]:
    """Write a new private key to ``path`` (PKCS #8 PEM, mode 0600) and its public half to ``<path>.pub``.

    Return the public half and where it lies. Raises :class:`BundleError` if either file exists or cannot be
    written; neither is left behind then.
    """
    _need_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    secret = ed25519.Ed25519PrivateKey.generate()
    public_path = path.with_name(path.name + ".pub")
    private_pem = secret.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public_pem = secret.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    _create(path, private_pem, 0o600)
    try:
        _create(public_path, public_pem, 0o644)
    except BundleError:
        path.unlink()
        raise
    return PublicKey(secret.public_key().public_bytes_raw()), public_path


def load_private(path: Path) -> PrivateKey:
    """Read the private key at ``path``: PEM, Ed25519, without a passphrase. Raises :class:`BundleError`."""
    _need_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pem = _read(path)
    try:
        secret = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise BundleError(
            f"the key {str(path)!r} has a passphrase; give one without, kept as a secret"
        ) from (error)
    except (ValueError, UnsupportedAlgorithm):
        secret = None
    if not isinstance(secret, ed25519.Ed25519PrivateKey):
        raise BundleError(f"{str(path)!r} is no Ed25519 private key in PEM; `mmaudit keygen` writes one")
    return PrivateKey(PublicKey(secret.public_key().public_bytes_raw()), secret)


def load_public(path: Path) -> PublicKey:
    """Read the public key at ``path``: PEM, Ed25519. Raises :class:`BundleError`."""
    _need_cryptography()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    pem = _read(path)
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise BundleError(
            f"{str(path)!r} is no Ed25519 public key in PEM; give the .pub file that `mmaudit keygen` wrote"
        )
    return PublicKey(key.public_bytes_raw())


def _need_cryptography() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise BundleError("signatures need the extra: pip install 'mmaudit[sign]'") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES)
    except OSError as error:
        raise BundleError(f"cannot read the key {str(path)!r}: {error.strerror or error}") from error


def _create(path: Path, data: bytes, mode: int) -> None:
    # The mode is given at creation: a file made first and closed off later can be opened in between.
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise BundleError(f"{str(path)!r} exists, and no key is overwritten; choose another") from error
    except OSError as error:
        raise BundleError(f"cannot write the key {str(path)!r}: {error.strerror or error}") from error
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink()
        raise BundleError(f"cannot write the key {str(path)!r}: {error.strerror or error}") from error
