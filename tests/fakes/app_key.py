"""A GitHub App's keys, as GitHub hands the private one out."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.fakes.github.server import GitHub
from tests.fakes.github.state import App

PERMISSIONS = {
    **dict.fromkeys(("contents", "issues", "pull_requests", "statuses"), "write"),
    **dict.fromkeys(("metadata", "checks"), "read"),
}
"""What docs/github.md lists."""


def write_key(path: Path) -> str:
    """Write a new private key where only its owner can read it; returns the public one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )
    path.chmod(0o600)
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return public.decode()


def install(github: GitHub, owner: str, key: Path, permissions: dict[str, str] | None = None) -> App:
    """An App that is installed on all of an owner's repositories; its private key is written to `key`."""
    granted = PERMISSIONS if permissions is None else permissions
    app = github.world.add_app("hive", owner=owner, public_key=write_key(key), permissions=granted)
    github.world.install(app, owner)
    return app
