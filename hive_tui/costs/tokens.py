"""How many tokens a text has, before anybody has counted them: an estimate, since every vendor counts in its
own way and Claude's is not published.

tiktoken counts where its vocabulary lies on this machine. By itself it would download that, and hang where
there is no network; so the file is looked at first, and without it a rule of thumb has to do.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hive_tui.core.estimate import BYTES_A_TOKEN, rough_tokens

if TYPE_CHECKING:
    import tiktoken

ENCODING = "o200k_base"

URL = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
"""As tiktoken names the vocabulary; the file is called by a digest of it."""

SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
"""Of the vocabulary; tiktoken downloads it anew where it is another."""

_PART = 50_000
"""Characters that are counted at a time: of very long words the time grows with their square."""


class Count(NamedTuple):
    """An estimate, to be shown with `~`."""

    tokens: int
    by: str
    """What it was counted with: `o200k_base`, or the rule of thumb and why."""


def count(text: str) -> Count:
    """The tokens of a text; never raises, and never asks a network."""
    why = _lacking(os.environ.get("TIKTOKEN_CACHE_DIR", ""))
    if why is None:
        encoding = _encoding()
        parts = (text[start : start + _PART] for start in range(0, len(text), _PART))
        return Count(sum(len(encoding.encode_ordinary(part)) for part in parts), ENCODING)
    return Count(rough_tokens(text), f"rule of thumb, {BYTES_A_TOKEN} bytes a token: {why}")


def vocabulary(folder: Path) -> Path:
    """Where tiktoken looks for the vocabulary in a folder."""
    return folder / hashlib.sha1(URL.encode(), usedforsecurity=False).hexdigest()


def _lacking(folder: str) -> str | None:
    """Why the vocabulary cannot be used; None if it can."""
    if not folder:
        return "TIKTOKEN_CACHE_DIR names no folder with tiktoken's vocabulary"
    try:
        content = vocabulary(Path(folder)).read_bytes()
    except OSError:
        return f"tiktoken's vocabulary {ENCODING} is not in {folder}"
    if hashlib.sha256(content).hexdigest() != SHA256:
        return f"tiktoken's vocabulary {ENCODING} in {folder} is damaged"
    return None


def _encoding() -> tiktoken.Encoding:
    import tiktoken  # takes a tenth of a second, and its vocabulary half of one

    return tiktoken.get_encoding(ENCODING)
