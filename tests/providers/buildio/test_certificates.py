"""Certificates as people paste them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from providers.buildio.domains.certificates import CertificateProblem, checked
from tests.support.certificates import NOON, CertificateWithKey, make_certificate

SHOP = make_certificate("www.example.com", "*.shop.example", until=NOON + timedelta(days=1))
SIGNER = make_certificate()


def problem_of(pasted: str, host: str = "www.example.com") -> tuple[str, str]:
    with pytest.raises(CertificateProblem) as found:
        checked(pasted, host, NOON)
    return found.value.part, str(found.value)


def test_it_is_sent_as_certificate_chain_and_key_with_nothing_around_them() -> None:
    own, key = SHOP.certificate, SHOP.private
    pasted = (
        f"Bag Attributes\n{key}\n\nsubject=…\n{own.replace(chr(10), chr(13) + chr(10))}{SIGNER.certificate}"
    )
    assert checked(pasted, "www.example.com", NOON) == f"{own}{SIGNER.certificate}{key}"


@pytest.mark.parametrize("at", [200, 900])
def test_a_key_that_was_cut_in_two_is_joined_again(at: int) -> None:
    large = make_certificate("www.example.com", until=NOON + timedelta(days=1), bits=2048)
    parted = f"{large.private[:at]}\n{large.private[at:]}"
    assert (
        checked(f"{large.certificate}{parted}", "www.example.com", NOON)
        == f"{large.certificate}{large.private}"
    )


@pytest.mark.parametrize("host", ["www.example.com", "a.shop.example", "*.shop.example"])
def test_it_is_for_each_of_its_names(host: str) -> None:
    assert SHOP.certificate in checked(SHOP.certificate + SHOP.private, host, NOON)


@pytest.mark.parametrize("host", ["example.com", "shop.example", "a.b.shop.example", "*.example.com"])
def test_it_is_not_for_others(host: str) -> None:
    part, said = problem_of(SHOP.certificate + SHOP.private, host)
    assert (part, said) == (
        "certificate",
        f"It is for www.example.com, *.shop.example, and not for {host}.",
    )


def test_one_without_names_of_todays_kind_is_left_to_build_io() -> None:
    old = make_certificate(until=NOON + timedelta(days=1))
    assert checked(old.certificate + old.private, "www.example.com", NOON) == old.certificate + old.private


def test_one_that_has_ended_is_refused() -> None:
    old = make_certificate("www.example.com", until=NOON)
    assert problem_of(old.certificate + old.private) == ("certificate", "It ended on 2026-07-01.")


@pytest.mark.parametrize(
    ("pasted", "part", "said"),
    [
        ("", "certificate", "This is no certificate that can be read"),
        (SHOP.private, "certificate", "This is no certificate that can be read"),
        (SHOP.certificate[:200] + SHOP.private, "certificate", "This is no certificate that can be read"),
        (SHOP.certificate.replace("M", "N", 1), "certificate", "This is no certificate that can be read"),
        (SHOP.certificate, "private", "The private key that belongs to it is missing."),
        (SHOP.certificate + SIGNER.private, "private", "This key does not belong to the certificate."),
        (SHOP.certificate + SHOP.locked, "private", "The key has a passphrase"),
        (SHOP.certificate + SHOP.private * 2, "private", "There is more than one key."),
        (
            SHOP.certificate + SHOP.private.replace("M", "N", 1),
            "private",
            "This is no key that can be read",
        ),
        (
            f"{SHOP.certificate}-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n{SHOP.private}",
            "chain",
            "This is no certificate that can be read",
        ),
    ],
)
def test_what_can_not_be_used_is_said_where_it_stands(pasted: str, part: str, said: str) -> None:
    found = problem_of(pasted)
    assert (found[0], said in found[1]) == (part, True)


@pytest.mark.parametrize("one", [SHOP, SIGNER])
def test_what_is_said_holds_nothing_of_a_key(one: CertificateWithKey) -> None:
    for pasted in (SHOP.certificate + one.locked, SIGNER.certificate + one.private.replace("M", "N", 1)):
        _, said = problem_of(pasted)
        lines = [line for line in pasted.splitlines() if len(line) > 20 and "-----" not in line]
        assert not [line for line in lines if line[:12] in said]
