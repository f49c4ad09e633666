"""Encrypted values can be decrypted only unchanged, with their key and their associated data."""

from __future__ import annotations

import base64

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from storage.encryption import SHORTEST_KEY, DecryptionError, InvalidKey, SecretBox

KEYS = st.text(st.characters(codec="ascii", exclude_characters=","), min_size=SHORTEST_KEY, max_size=60)
TEXT = st.text(st.characters(codec="utf-8"), max_size=200)
CONTEXT = st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=4).map(tuple)
NEW, OLD = "new-" * 10, "old-" * 10


@given(KEYS, TEXT, CONTEXT)
def test_an_encrypted_text_can_be_decrypted_with_its_associated_data(
    key: str, text: str, context: tuple[str, ...]
) -> None:
    box = SecretBox([key])
    encrypted = box.encrypt(text, *context)
    assert box.decrypt(encrypted, *context) == text
    assert box.is_current(encrypted)


@given(TEXT.filter(lambda text: len(text) >= 4), CONTEXT)
def test_the_encrypted_value_contains_neither_the_text_nor_the_key(
    text: str, context: tuple[str, ...]
) -> None:
    content = base64.urlsafe_b64decode(SecretBox([NEW]).encrypt(text, *context))
    assert text.encode() not in content
    assert NEW.encode() not in content


def test_encrypting_the_same_text_never_gives_the_same_value() -> None:
    box = SecretBox([NEW])
    assert len({box.encrypt("the same", "place") for _ in range(100)}) == 100


@given(TEXT, CONTEXT, st.data())
def test_a_value_with_any_changed_bit_cannot_be_decrypted(
    text: str, context: tuple[str, ...], data: st.DataObject
) -> None:
    box = SecretBox([NEW, OLD])
    content = bytearray(base64.urlsafe_b64decode(box.encrypt(text, *context)))
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DecryptionError):
        box.decrypt(base64.urlsafe_b64encode(bytes(content)).decode(), *context)


@given(TEXT, CONTEXT, st.data())
def test_a_truncated_value_cannot_be_decrypted(
    text: str, context: tuple[str, ...], data: st.DataObject
) -> None:
    box = SecretBox([NEW])
    content = base64.urlsafe_b64decode(box.encrypt(text, *context))
    end = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(DecryptionError):
        box.decrypt(base64.urlsafe_b64encode(content[:end]).decode(), *context)


@given(TEXT, CONTEXT, CONTEXT)
def test_a_value_cannot_be_decrypted_with_other_associated_data(
    text: str, context: tuple[str, ...], other: tuple[str, ...]
) -> None:
    assume(context != other)
    box = SecretBox([NEW])
    with pytest.raises(DecryptionError, match="moved to another row"):
        box.decrypt(box.encrypt(text, *context), *other)


@pytest.mark.parametrize(
    ("context", "other"),
    [(("ab", "c"), ("a", "bc")), (("a", ""), ("a",)), (("", "a"), ("a", "")), ((), ("",))],
)
def test_no_two_contexts_give_the_same_associated_data(
    context: tuple[str, ...], other: tuple[str, ...]
) -> None:
    box = SecretBox([NEW])
    with pytest.raises(DecryptionError):
        box.decrypt(box.encrypt("text", *context), *other)


@given(KEYS, KEYS, TEXT)
def test_a_value_cannot_be_decrypted_with_another_key(key: str, other: str, text: str) -> None:
    assume(key != other)
    with pytest.raises(DecryptionError, match="another key"):
        SecretBox([other]).decrypt(SecretBox([key]).encrypt(text, "context"), "context")


@given(st.lists(KEYS, min_size=1, max_size=4, unique=True), TEXT, st.data())
def test_keys_decrypt_in_any_order(keys: list[str], text: str, data: st.DataObject) -> None:
    encrypted = SecretBox([data.draw(st.sampled_from(keys))]).encrypt(text, "context")
    assert SecretBox(data.draw(st.permutations(keys))).decrypt(encrypted, "context") == text


def test_the_first_key_encrypts_and_its_name_does_not_reveal_it() -> None:
    both, old = SecretBox([NEW, OLD]), SecretBox([OLD])
    assert SecretBox([NEW]).decrypt(both.encrypt("text")) == "text"
    assert both.key_name == SecretBox([NEW]).key_name
    assert both.key_name not in NEW
    assert not both.is_current(old.encrypt("text"))
    assert both.is_current(both.encrypt("text"))


@given(TEXT, TEXT, st.sampled_from([[NEW], [NEW, OLD], [OLD, NEW]]))
def test_a_signature_is_valid_only_for_its_text(text: str, other: str, keys: list[str]) -> None:
    signature = SecretBox([NEW]).sign(text)
    assert SecretBox(keys).is_signed(text, signature)
    assert SecretBox(keys).is_signed(other, signature) is (other == text)
    assert not SecretBox([OLD]).is_signed(text, signature)
    assert not SecretBox(keys).is_signed(text, signature[:-1])
    assert not SecretBox(keys).is_signed(text, "")


@given(st.text(max_size=80))
def test_any_other_text_is_refused_with_a_message(text: str) -> None:
    with pytest.raises(DecryptionError):
        SecretBox([NEW]).decrypt(text)
    with pytest.raises(DecryptionError):
        SecretBox([NEW]).is_current(text)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(InvalidKey, match="new-key"):
        SecretBox([NEW, "short"])
    with pytest.raises(InvalidKey, match="must contain a key"):
        SecretBox([])
