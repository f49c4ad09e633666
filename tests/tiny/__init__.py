"""Tiny CI: a made-up provider in one folder, as docs/adding-a-provider.md says how to write one."""

from tests.tiny.reader import TINY, TinyReader
from tests.tiny.service import Job, TinyService

__all__ = ["TINY", "Job", "TinyReader", "TinyService"]
