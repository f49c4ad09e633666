"""What is sealed opens under its key, at its place, unchanged, and in no other way."""

from __future__ import annotations

import base64

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from storage.encryption import SHORTEST_KEY, DecryptionError, InvalidKey, SecretBox

KEYS = st.text(st.characters(codec="ascii", exclude_characters=","), min_size=SHORTEST_KEY, max_size=60)
TEXT = st.text(st.characters(codec="utf-8"), max_size=200)
PLACE = st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=4).map(tuple)
NEW, OLD = "new-" * 10, "old-" * 10


@given(KEYS, TEXT, PLACE)
def test_what_was_sealed_opens_at_its_place(key: str, text: str, place: tuple[str, ...]) -> None:
    vault = SecretBox([key])
    sealed = vault.encrypt(text, *place)
    assert vault.decrypt(sealed, *place) == text
    assert vault.is_current(sealed)


@given(TEXT.filter(lambda text: len(text) >= 4), PLACE)
def test_nothing_of_the_text_or_the_key_is_in_the_seal(text: str, place: tuple[str, ...]) -> None:
    content = base64.urlsafe_b64decode(SecretBox([NEW]).encrypt(text, *place))
    assert text.encode() not in content
    assert NEW.encode() not in content


def test_the_same_text_is_never_sealed_alike() -> None:
    vault = SecretBox([NEW])
    assert len({vault.encrypt("the same", "place") for _ in range(100)}) == 100


@given(TEXT, PLACE, st.data())
def test_a_seal_of_which_any_bit_was_changed_does_not_open(
    text: str, place: tuple[str, ...], data: st.DataObject
) -> None:
    vault = SecretBox([NEW, OLD])
    content = bytearray(base64.urlsafe_b64decode(vault.encrypt(text, *place)))
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    content[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DecryptionError):
        vault.decrypt(base64.urlsafe_b64encode(bytes(content)).decode(), *place)


@given(TEXT, PLACE, st.data())
def test_a_seal_that_was_cut_does_not_open(text: str, place: tuple[str, ...], data: st.DataObject) -> None:
    vault = SecretBox([NEW])
    content = base64.urlsafe_b64decode(vault.encrypt(text, *place))
    end = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(DecryptionError):
        vault.decrypt(base64.urlsafe_b64encode(content[:end]).decode(), *place)


@given(TEXT, PLACE, PLACE)
def test_a_seal_opens_at_no_other_place(text: str, place: tuple[str, ...], other: tuple[str, ...]) -> None:
    assume(place != other)
    vault = SecretBox([NEW])
    with pytest.raises(DecryptionError, match="stands in another place"):
        vault.decrypt(vault.encrypt(text, *place), *other)


@pytest.mark.parametrize(
    ("place", "other"), [(("ab", "c"), ("a", "bc")), (("a", ""), ("a",)), (("", "a"), ("a", "")), ((), ("",))]
)
def test_no_two_places_are_written_alike(place: tuple[str, ...], other: tuple[str, ...]) -> None:
    vault = SecretBox([NEW])
    with pytest.raises(DecryptionError):
        vault.decrypt(vault.encrypt("text", *place), *other)


@given(KEYS, KEYS, TEXT)
def test_a_seal_opens_under_no_other_key(key: str, other: str, text: str) -> None:
    assume(key != other)
    with pytest.raises(DecryptionError, match="another key"):
        SecretBox([other]).decrypt(SecretBox([key]).encrypt(text, "place"), "place")


@given(st.lists(KEYS, min_size=1, max_size=4, unique=True), TEXT, st.data())
def test_keys_open_in_whatever_order_they_are_given(keys: list[str], text: str, data: st.DataObject) -> None:
    sealed = SecretBox([data.draw(st.sampled_from(keys))]).encrypt(text, "place")
    assert SecretBox(data.draw(st.permutations(keys))).decrypt(sealed, "place") == text


def test_the_first_key_seals_and_its_name_does_not_give_it_away() -> None:
    both, old = SecretBox([NEW, OLD]), SecretBox([OLD])
    assert SecretBox([NEW]).decrypt(both.encrypt("text")) == "text"
    assert both.key_name == SecretBox([NEW]).key_name
    assert both.key_name not in NEW
    assert not both.is_current(old.encrypt("text"))
    assert both.is_current(both.encrypt("text"))


@given(TEXT, TEXT, st.sampled_from([[NEW], [NEW, OLD], [OLD, NEW]]))
def test_a_signature_is_known_again_for_its_text_alone(text: str, other: str, keys: list[str]) -> None:
    signature = SecretBox([NEW]).sign(text)
    assert SecretBox(keys).is_signed(text, signature)
    assert SecretBox(keys).is_signed(other, signature) is (other == text)
    assert not SecretBox([OLD]).is_signed(text, signature)
    assert not SecretBox(keys).is_signed(text, signature[:-1])
    assert not SecretBox(keys).is_signed(text, "")


@given(st.text(max_size=80))
def test_whatever_is_no_seal_is_refused_in_words(text: str) -> None:
    with pytest.raises(DecryptionError):
        SecretBox([NEW]).decrypt(text)
    with pytest.raises(DecryptionError):
        SecretBox([NEW]).is_current(text)


def test_a_key_that_somebody_thought_up_is_refused() -> None:
    with pytest.raises(InvalidKey, match="new-key"):
        SecretBox([NEW, "short"])
    with pytest.raises(InvalidKey, match="no key"):
        SecretBox([])
