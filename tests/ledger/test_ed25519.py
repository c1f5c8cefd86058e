"""Ed25519 of the one-file verifier: RFC 8032's own vectors, OpenSSL as the other judge, and strictness."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.ledger.verify import ed25519_verify

ORDER = 2**252 + 27742317777372353535851937790883648493
PRIME = 2**255 - 19

# RFC 8032 section 7.1, tests 1 to 3: public key, message, signature.
RFC_VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), RFC_VECTORS)
def test_vectors_of_the_rfc(key: str, message: str, signature: str) -> None:
    public, text, signed = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)
    assert ed25519_verify(public, text, signed)
    assert not ed25519_verify(public, text + b"\0", signed)


def openssl_verify(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300), st.integers(0, 511), st.sampled_from("kmsn"))
@settings(max_examples=120, deadline=None)
def test_agrees_with_openssl_on_good_and_damaged_signatures(seed: bytes, message: bytes, bit: int, damage: str) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert ed25519_verify(key, message, signature)
    if damage == "s":
        signature = flip(signature, bit)
    elif damage == "k":
        key = flip(key, bit % 256)
    elif damage == "m":
        message += b"!"
    assert ed25519_verify(key, message, signature) is openssl_verify(key, message, signature)
    assert ed25519_verify(key, message, signature) is (damage == "n")


def flip(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_signature_has_one_spelling() -> None:
    key, message, signature = (bytes.fromhex(text) for text in RFC_VECTORS[0])
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert scalar < 2**256
    assert not ed25519_verify(key, message, signature[:32] + scalar.to_bytes(32, "little"))


@pytest.mark.parametrize(
    "point",
    [
        1,  # the neutral element
        PRIME - 1,  # order 2
        0,  # order 4
        1 << 255,  # order 4, the other sign
        PRIME + 1,  # the neutral element, not canonical
        2**255 - 1,
        1 | 1 << 255,  # x is 0, yet its sign is set
        2,  # not on the curve
        # order 8
        int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
    ],
)
def test_keys_that_would_accept_what_nobody_signed_are_refused(point: int) -> None:
    key = point.to_bytes(32, "little")
    # For a key of small order this signature (R neutral, S zero) holds on every eighth text or on all of
    # them.
    signature = (1).to_bytes(32, "little") + bytes(32)
    assert not any(ed25519_verify(key, b"%d" % number, signature) for number in range(32))


@pytest.mark.parametrize(("key_bytes", "signature_bytes"), [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_wrong_lengths(key_bytes: int, signature_bytes: int) -> None:
    assert not ed25519_verify(bytes(key_bytes), b"", bytes(signature_bytes))
