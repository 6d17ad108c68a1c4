"""Detached Ed25519 signatures (RFC 8032): ``model.edge.sig``, over ``manifest.json``, which holds every digest."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.bundle.bundle import Bundle
from edgekit.errors import InputError, StorageError, missing

# 1 (edgekit 0.1.0): the first.
SCHEMA = 1
ALGORITHM = "ed25519"


@dataclass(frozen=True)
class SignatureCheck:
    """What became of a check: ``valid``, ``invalid``, ``not signed`` or ``not checked``; only ``valid`` is true."""

    status: str
    reason: str = ""

    def __bool__(self) -> bool:
        return self.status == "valid"


def sign(path: str | Path, private_key_pem: bytes) -> Path:
    """Sign a bundle, once all its files are verified; the path of the signature, which replaces an older one.

    Raises:
        MissingDependencyError: cryptography is not installed.
        BundleError: the bundle is damaged.
        InputError: not an Ed25519 private key in PEM without a passphrase.
        StorageError: the signature cannot be written.
    """
    asked = f"sign {path}"
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError as error:
        raise missing(asked, "cryptography", "sign") from error
    bundle = Bundle.open(path)
    bundle.verify_files()
    try:
        key = serialization.load_pem_private_key(private_key_pem, password=None)
    except (ValueError, TypeError) as error:
        raise InputError(
            asked, f"the private key cannot be read ({error})", "give a PEM without a passphrase"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise InputError(asked, "the key is no Ed25519 key", "make one: openssl genpkey -algorithm ed25519")
    document = {
        "schema": SCHEMA,
        "algorithm": ALGORITHM,
        "public_key": key.public_key().public_bytes_raw().hex(),
        "signature": key.sign(bundle.manifest_bytes).hex(),
    }
    output = signature_path(bundle.path)
    temporary = output.with_name(f".edgekit-{secrets.token_hex(6)}.tmp")
    try:
        temporary.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        temporary.replace(output)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(asked, error.strerror or str(error), "make room, or copy the bundle elsewhere") from error
    return output


def check_signature(bundle: Bundle, public_key_pem: bytes) -> SignatureCheck:
    """Whether the signature beside a bundle was made with the private half of this key, over this manifest.

    The files are compared with the manifest when they are read, or all of them by ``bundle.verify_files()``.

    Raises:
        InputError: not an Ed25519 public key in PEM.
    """
    file = signature_path(bundle.path)
    if not file.is_file():
        return SignatureCheck("not signed", f"there is no {file.name}")
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return SignatureCheck("not checked", "cryptography is not installed: pip install 'edgekit[sign]'")
    try:
        key = serialization.load_pem_public_key(public_key_pem)
    except (ValueError, TypeError) as error:
        raise InputError(f"check {file}", f"the public key cannot be read ({error})", "give a PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InputError(f"check {file}", "the key is no Ed25519 key", "give the signer's Ed25519 public key")
    try:
        document: Any = json.loads(file.read_bytes())
        if (document["schema"], document["algorithm"]) != (SCHEMA, ALGORITHM):
            return SignatureCheck("invalid", "a signature of another kind")
        key.verify(bytes.fromhex(document["signature"]), bundle.manifest_bytes)
    except InvalidSignature:
        return SignatureCheck("invalid", "it was made with another key, or over another bundle")
    except (ValueError, KeyError, TypeError, RecursionError, OSError) as error:
        return SignatureCheck("invalid", f"{file.name} is no signature ({type(error).__name__})")
    return SignatureCheck("valid")


def signature_path(bundle: Path) -> Path:
    """Where the signature of a bundle lies: ``.sig`` behind its name."""
    return bundle.with_name(f"{bundle.name}.sig")
