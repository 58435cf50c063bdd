"""git over smart HTTP, done by git's own `http-backend`; who may, and protected branches, decided here."""

from __future__ import annotations

import base64
import binascii
import subprocess
import threading
from pathlib import Path

from hive_tui.system import git
from tests.fakes.github import pulls
from tests.fakes.github.rest import Answer
from tests.fakes.github.rights import ROLES
from tests.fakes.github.state import Repository, Token, World

_SECONDS = 300
# Run by git inside of its quarantine, where the new commits can be looked at before they count.
_UPDATE_HOOK = """#!/bin/sh
set -f
flags=
for rule in $FAKE_RULES; do
    pattern=${rule%=*}
    case "$1" in $pattern) flags=$flags${rule#*=} ;; esac
done
refuse() {
    echo "error: GH006: Protected branch update failed for $1." >&2
    echo "error: $2" >&2
    exit 1
}
zero=0000000000000000000000000000000000000000
case "$flags" in *P*) refuse "$1" "Changes must be made through a pull request." ;; esac
if [ "$3" = $zero ]; then
    case "$flags" in *D*) refuse "$1" "Cannot delete this protected branch" ;; esac
elif [ "$2" = $zero ]; then
    case "$flags" in *C*) refuse "$1" "Cannot create ref due to creations being restricted." ;; esac
else
    case "$flags" in *F*)
        git merge-base --is-ancestor "$2" "$3" || refuse "$1" "Cannot force-push to this protected branch" ;;
    esac
fi
"""


def words(status: int, text: str, headers: dict[str, str] | None = None) -> Answer:
    return Answer(status, text.encode(), headers or {}, "text/plain; charset=utf-8")


def password(authorization: str) -> str | None:
    """The token of basic authorization; the user's name does not matter."""
    scheme, _, coded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(coded).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


class GitServer:
    def __init__(self, world: World, site: str) -> None:
        self._world = world
        self._site = site
        self._pushing: dict[int, threading.Lock] = {}

    def serve(
        self,
        method: str,
        name: str,
        rest: str,
        query: str,
        headers: dict[str, str],
        body: bytes,
        token: Token | None,
        said: bool,
    ) -> Answer:
        """`name` is `owner/repo`, `rest` the path behind `.git`; `said` is whether any credential came."""
        writes = "git-receive-pack" in rest or "service=git-receive-pack" in query
        with self._world.lock:
            repo = self._world.repository(name)
            if repo is None and name.lower() in self._world.renames:
                renamed = self._world.repositories[self._world.renames[name.lower()]]
                location = f"{self._site}/{renamed.full_name}.git{rest}" + (f"?{query}" if query else "")
                return words(301, "", {"Location": location})
            refusal = self._refuse(repo, token, said=said, writes=writes)
            if refusal is not None or repo is None:
                return refusal or words(404, "Repository not found.")
            env = self._environment(repo, method, rest, query, headers, body, token)
            lock = self._pushing.setdefault(repo.id, threading.Lock())
        if not rest.endswith("/git-receive-pack"):
            return _run(env, body)
        with lock:
            before = repo.git.refs()
            answer = _run(env, body)
            with self._world.lock:
                if token is not None and repo.git.refs() != before:
                    pulls.sync(self._world, repo, by=token.user)
        return answer

    def _refuse(
        self, repo: Repository | None, token: Token | None, *, said: bool, writes: bool
    ) -> Answer | None:
        ask = {"WWW-Authenticate": 'Basic realm="GitHub"'}
        if said and token is None:
            text = "Invalid username or token. Password authentication is not supported for Git operations."
            return words(401, text, ask)
        if token is None and (repo is None or repo.private or writes):
            return words(401, "No anonymous write access.", ask)
        if repo is None or (token is not None and not self._world.may(token, repo, "metadata", "read")):
            return words(404, "Repository not found.")
        if repo.disabled:
            return words(403, "Access to this repository has been disabled by GitHub staff.")
        if token is None:
            return None
        if repo.owner in token.sso_missing:
            url = f"{self._site}/orgs/{repo.owner}/sso"
            return words(
                403, f"The '{repo.owner}' organization has enabled or enforced SAML SSO. Visit {url}"
            )
        level = "write" if writes else "read"
        readable = not repo.private and not writes
        role = "write" if token.kind == "installation" else self._world.role(token.user, repo)
        if not readable and not self._world.may(token, repo, "contents", level):
            return words(403, f"Permission to {repo.full_name}.git denied to {token.user}.")
        if writes and ROLES.index(role) < ROLES.index("write"):
            return words(403, f"Permission to {repo.full_name}.git denied to {token.user}.")
        if writes and repo.archived:
            return words(403, "This repository was archived so it is read-only.")
        return None

    def _environment(
        self,
        repo: Repository,
        method: str,
        rest: str,
        query: str,
        headers: dict[str, str],
        body: bytes,
        token: Token | None,
    ) -> dict[str, str]:
        _prepare(repo.git.path)
        return git.environment(
            {
                "GIT_PROJECT_ROOT": str(repo.git.path),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": rest,
                "QUERY_STRING": query,
                "REQUEST_METHOD": method,
                "CONTENT_TYPE": headers.get("content-type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
                "GIT_PROTOCOL": headers.get("git-protocol", ""),
                "REMOTE_USER": token.user if token else "",
                "REMOTE_ADDR": "127.0.0.1",
                "FAKE_RULES": self._rules(repo, token),
            }
        )

    def _rules(self, repo: Repository, token: Token | None) -> str:
        """`ref=flags` for each protected branch: P no push, F no force-push, D no deletion, C no creation."""
        admin = token is not None and self._world.role(token.user, repo) == "admin"
        rules = []
        for branch, rule in repo.protection.items():
            bound = rule.enforce_admins or not admin
            flags = "P" if bound and (rule.required_reviews or rule.required_checks) else ""
            flags += "" if rule.allow_force_pushes else "F"
            flags += "" if rule.allow_deletions else "D"
            rules.append(f"refs/heads/{branch}={flags}")
        for pattern, kinds in repo.rules.items():
            rules.append(f"refs/heads/{pattern}={'C' if 'creation' in kinds else ''}")
        return " ".join(rules)


def _prepare(path: Path) -> None:
    """The hook that keeps protected branches."""
    hook = path / "hooks" / "update"
    if not hook.exists():
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_UPDATE_HOOK)
        hook.chmod(0o755)


def _run(env: dict[str, str], body: bytes) -> Answer:
    done = subprocess.run(
        ["git", "http-backend"], env=env, input=body, capture_output=True, check=False, timeout=_SECONDS
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    answer = Answer(200, content, {})
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(": ")
        if name.lower() == "status":
            answer.status = int(value.split()[0])
        elif name.lower() == "content-type":
            answer.kind = value
        elif name:
            answer.headers[name] = value
    return answer
