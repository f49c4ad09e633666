"""Key rotation: encrypts everything with the first key, so that older keys can be removed. Inside a transaction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.audit_chain import ChainBroken
from storage.audit_log import reseal_chains
from storage.audit_register import read_register, record_key_change, reseal_register
from storage.connection import Connection
from storage.encryption import DecryptionError, SecretBox
from storage.pending_actions import pending_action_subject, signed_text
from storage.slack_messages import change_messages_about

# A signature made by `SecretBox.sign`.
_SIGNATURE = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")


class UndecryptableValue(Exception):
    """Some values can't be decrypted with any key; `rows` lists table, owner and reason."""

    def __init__(self, rows: Sequence[str]) -> None:
        self.rows = rows
        super().__init__("; ".join(rows))


@dataclass(frozen=True)
class RotationResult:
    """Numbers of values that were encrypted again; `buttons`: pending actions whose buttons were signed again."""

    accounts: int
    installations: int
    proposals: int
    sign_ins: int
    audit_ends: int
    audit_register: int
    buttons: int

    @property
    def nothing(self) -> bool:
        """True if everything was encrypted with the first key already."""
        sealed = self.accounts or self.installations or self.proposals or self.sign_ins
        return not (sealed or self.audit_ends or self.audit_register or self.buttons)


@dataclass(frozen=True)
class _EncryptedColumn:
    """An encrypted column: its table, the key columns, the first part of its encryption context, and a description.

    `needed` is the condition that a row will be decrypted again. Other rows may fail to decrypt.
    """

    table: str
    column: str
    key: tuple[str, ...]
    purpose: str
    description: str
    needed: str = "1"


_TABLES = {
    "accounts": _EncryptedColumn(
        "accounts", "sealed", ("team_id", "user_id", "provider"), "account", "of {1} in {0} at {2}"
    ),
    "installations": _EncryptedColumn(
        "installations",
        "sealed",
        ("enterprise_id", "team_id"),
        "slack",
        "of workspace {1} in organisation {0}",
    ),
    # Decided actions are not decrypted again.
    "proposals": _EncryptedColumn(
        "proposals", "act", ("team_id", "id"), "proposal", "{1} in {0}", "state IN ('open', 'agreed')"
    ),
    # A user who is signing in just starts again.
    "sign_ins": _EncryptedColumn("sign_ins", "sealed", ("fingerprint",), "sign_in", "{0}", "0"),
}


def rotate_key(db: Connection, vault: SecretBox) -> RotationResult:
    """Encrypt values of older keys with the first one. Raises UndecryptableValue; nothing is changed then.

    Every value is decrypted, so that afterwards the older keys are certainly not needed any more.
    """
    problems: list[str] = []
    counts = {name: _encrypt_again(db, vault, table, problems) for name, table in _TABLES.items()}
    buttons = _sign_buttons(db, vault)
    db.lock("audit")
    try:
        ends, register = reseal_chains(db, vault), int(_reseal_register(db, vault))
    except ChainBroken as problem:
        problems.append(str(problem))
        ends, register = 0, 0
    if problems:
        raise UndecryptableValue(problems)
    if register:
        record_key_change(db, vault, datetime.now(UTC))
    return RotationResult(**counts, audit_ends=ends, audit_register=register, buttons=buttons)


def _reseal_register(db: Connection, vault: SecretBox) -> bool:
    # A register without a seal gets one with the next entry, or by `buildbell audit --seal`.
    return read_register(db).seal is not None and reseal_register(db, vault)


def _encrypt_again(db: Connection, vault: SecretBox, table: _EncryptedColumn, problems: list[str]) -> int:
    key_columns = ", ".join(table.key)
    rows = db.execute(
        f"SELECT {key_columns}, {table.column}, {table.needed} FROM {table.table} ORDER BY {key_columns}"
    ).fetchall()
    encrypted = 0
    for *key, sealed, needed in rows:
        try:
            content = vault.decrypt(sealed, table.purpose, *key)
        except DecryptionError as problem:
            if needed:
                problems.append(f"{table.table}: {table.description.format(*key)}: {problem}")
            continue
        if not vault.is_current(sealed):
            where = " AND ".join(f"{column} = ?" for column in (*table.key, table.column))
            new = vault.encrypt(content, table.purpose, *key)
            # A value that was stored meanwhile stays: the bot has encrypted it with the first key.
            update = f"UPDATE {table.table} SET {table.column} = ? WHERE {where}"
            encrypted += db.execute(update, [new, *key, sealed]).rowcount
    return encrypted


def _sign_buttons(db: Connection, vault: SecretBox) -> int:
    """Sign the buttons of pending actions with the first key; the bot then updates their messages."""
    signed = 0
    query = (
        "SELECT proposals.team_id, id, content FROM proposals JOIN messages ON messages.parcel = proposals.id"
        " WHERE state = 'open' AND content IS NOT NULL"
    )
    for team, identity, content in db.execute(query).fetchall():
        text = signed_text(team, identity)
        new = vault.sign(text)

        def replace_signature(found: re.Match[str], text: str = text, new: str = new) -> str:
            return new if vault.is_signed(text, found[0]) else found[0]

        if (changed := _SIGNATURE.sub(replace_signature, content)) != content:
            # A message that shows a decision meanwhile stays.
            change_messages_about(db, pending_action_subject(identity), changed, was=content)
            signed += 1
    return signed
