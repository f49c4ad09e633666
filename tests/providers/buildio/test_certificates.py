"""Pasted certificates."""

from __future__ import annotations

from datetime import timedelta

import pytest

from providers.buildio.domains.certificates import CertificateProblem, check_certificate
from tests.support.certificates import NOON, CertificateWithKey, make_certificate

SHOP = make_certificate("www.example.com", "*.shop.example", until=NOON + timedelta(days=1))
SIGNER = make_certificate()


def find_problem(pasted: str, host: str = "www.example.com") -> tuple[str, str]:
    with pytest.raises(CertificateProblem) as found:
        check_certificate(pasted, host, NOON)
    return found.value.part, str(found.value)


def test_only_certificate_chain_and_key_are_sent() -> None:
    own, key = SHOP.certificate, SHOP.key
    pasted = (
        f"Bag Attributes\n{key}\n\nsubject=…\n{own.replace(chr(10), chr(13) + chr(10))}{SIGNER.certificate}"
    )
    assert check_certificate(pasted, "www.example.com", NOON) == f"{own}{SIGNER.certificate}{key}"


@pytest.mark.parametrize("at", [200, 900])
def test_a_key_split_between_two_fields_is_joined(at: int) -> None:
    large = make_certificate("www.example.com", until=NOON + timedelta(days=1), bits=2048)
    split_key = f"{large.key[:at]}\n{large.key[at:]}"
    assert (
        check_certificate(f"{large.certificate}{split_key}", "www.example.com", NOON)
        == f"{large.certificate}{large.key}"
    )


@pytest.mark.parametrize("host", ["www.example.com", "a.shop.example", "*.shop.example"])
def test_a_certificate_is_valid_for_each_of_its_names(host: str) -> None:
    assert SHOP.certificate in check_certificate(SHOP.certificate + SHOP.key, host, NOON)


@pytest.mark.parametrize("host", ["example.com", "shop.example", "a.b.shop.example", "*.example.com"])
def test_a_certificate_is_invalid_for_other_names(host: str) -> None:
    part, problem = find_problem(SHOP.certificate + SHOP.key, host)
    assert (part, problem) == (
        "certificate",
        f"It's for www.example.com, *.shop.example, not for {host}.",
    )


def test_a_certificate_without_alternative_names_is_left_to_build_io() -> None:
    old = make_certificate(until=NOON + timedelta(days=1))
    assert check_certificate(old.certificate + old.key, "www.example.com", NOON) == old.certificate + old.key


def test_an_expired_certificate_is_refused() -> None:
    old = make_certificate("www.example.com", until=NOON)
    assert find_problem(old.certificate + old.key) == ("certificate", "It expired on 2026-07-01.")


@pytest.mark.parametrize(
    ("pasted", "part", "expected"),
    [
        ("", "certificate", "This isn't a valid certificate"),
        (SHOP.key, "certificate", "This isn't a valid certificate"),
        (SHOP.certificate[:200] + SHOP.key, "certificate", "This isn't a valid certificate"),
        (SHOP.certificate.replace("M", "N", 1), "certificate", "This isn't a valid certificate"),
        (SHOP.certificate, "private", "The private key is missing."),
        (SHOP.certificate + SIGNER.key, "private", "This key doesn't match the certificate."),
        (SHOP.certificate + SHOP.encrypted_key, "private", "The key has a passphrase"),
        (SHOP.certificate + SHOP.key * 2, "private", "There's more than one key."),
        (
            SHOP.certificate + SHOP.key.replace("M", "N", 1),
            "private",
            "This isn't a valid key",
        ),
        (
            f"{SHOP.certificate}-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n{SHOP.key}",
            "chain",
            "This isn't a valid certificate",
        ),
    ],
)
def test_an_invalid_part_is_explained_at_its_field(pasted: str, part: str, expected: str) -> None:
    problem = find_problem(pasted)
    assert (problem[0], expected in problem[1]) == (part, True)


@pytest.mark.parametrize("certificate", [SHOP, SIGNER])
def test_errors_contain_nothing_of_a_key(certificate: CertificateWithKey) -> None:
    for pasted in (
        SHOP.certificate + certificate.encrypted_key,
        SIGNER.certificate + certificate.key.replace("M", "N", 1),
    ):
        _, problem = find_problem(pasted)
        lines = [line for line in pasted.splitlines() if len(line) > 20 and "-----" not in line]
        assert not [line for line in lines if line[:12] in problem]
