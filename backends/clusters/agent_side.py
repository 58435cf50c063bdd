"""What all places in which agents work have in common: which variables reach an agent, and what its clone is
like."""

from __future__ import annotations

from pathlib import Path

from hive_tui.system import git

KEPT = frozenset(
    {
        *("PATH", "HOME", "LANG", "LANGUAGE", "TERM", "TMPDIR", "TZ", "USER", "LOGNAME", "SHELL"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    }
)
"""Where things are and how to reach the network."""

NEVER = frozenset(
    {
        *("GITHUB_TOKEN", "GH_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"),
        *("SSH_AUTH_SOCK", "KUBECONFIG"),
    }
)

BY_PRODUCTS = ("__pycache__/", "*.py[co]", ".pytest_cache/", ".mypy_cache/", "node_modules/", ".DS_Store")
"""What running code leaves behind and nobody means to commit, also where a repository forgot to say so."""

CLONE_CONFIG = (
    # A passphrase prompt of the user's key would hang an agent, and its commits are not the user's word.
    ("commit.gpgSign", "false"),
    ("tag.gpgSign", "false"),
    # Objects that only the shared directory knows must not be repacked from here.
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
)

# Nobody is there to answer a password prompt or to close an editor, and no remote to fetch large files from.
QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "GIT_LFS_SKIP_SMUDGE": "1"}

NOT_FETCHED = "submodules of a remote repository are not fetched."


def submodules(bare: Path, sha: str) -> list[tuple[str, str]]:
    """Name and path of each that a commit lists."""
    listed = git.run(
        "config", "--blob", f"{sha}:.gitmodules", "-z", "--get-regexp", r"^submodule\..*\.path$",
        cwd=bare, check=False,
    ).stdout  # fmt: skip
    found = []
    for entry in listed.decode("utf-8", "surrogateescape").split("\0"):
        key, _, path = entry.partition("\n")
        if path:
            found.append((key.removeprefix("submodule.").removesuffix(".path"), path))
    return found
