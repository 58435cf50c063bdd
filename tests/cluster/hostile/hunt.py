"""What a hostile agent in its container looks for; prints all it got as JSON. Standard library only."""

import json
import os
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

processes: dict[str, dict[str, str]] = {}
secrets: list[str] = []
readable: dict[str, str] = {}
attempts: dict[str, str] = {}


def attempt(name: str, call: Callable[[], Any]) -> None:
    try:
        attempts[name] = str(call())[:2000]
    except BaseException as error:
        attempts[name] = f"{type(error).__name__}: {error}"[:300]


for pid in sorted(name for name in os.listdir("/proc") if name.isdigit()):
    entry = {}
    for what in ("cmdline", "environ", "status"):
        try:
            with open(f"/proc/{pid}/{what}", "rb") as file:
                entry[what] = file.read(20000).decode("utf-8", "replace")
        except OSError as error:
            entry[what] = f"! {error.strerror}"
    processes[pid] = entry

SKIPPED = ("/proc", "/sys", "/usr", "/lib", "/bin", "/sbin", "/etc/ssl", "/opt", "/hive/work/tree/.git")
words = (b"ghp_", b"github_pat_", b"eyJhbGci", b"BEGIN RSA", b"BEGIN PRIVATE", b"BEGIN EC PRIVATE")
for folder, folders, names in os.walk("/"):
    folders[:] = [each for each in folders if not os.path.join(folder, each).startswith(SKIPPED)]
    if "secret" in folder or "hive" in folder:
        secrets.append(folder)
    for name in names:
        path = os.path.join(folder, name)
        try:
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                text = file.read(1 << 20)
        except OSError:
            continue
        if any(word in text for word in words) and not path.startswith("/hive/work/tree/"):
            readable[path] = text[:4000].decode("utf-8", "replace")

attempt("kill agentd", lambda: os.kill(1, 9))
attempt("read the memory of PID 1", lambda: Path("/proc/1/mem").read_bytes())
attempt("descriptors of PID 1", lambda: os.listdir("/proc/1/fd"))
attempt("root of PID 1", lambda: os.listdir("/proc/1/root/hive"))
for path in (
    "/hive/own",
    "/hive/tracker",
    "/hive/judge-share",
    "/var/run/secrets/kubernetes.io/serviceaccount",
):
    attempt(f"list {path}", partial(os.listdir, path))
for path in ("/x", "/etc/x", "/usr/x", "/hive/x"):
    attempt(f"write {path}", partial(Path(path).write_text, "x"))
for argv in (
    ["unshare", "-Ur", "id"],
    ["mount", "-t", "tmpfs", "none", "/mnt"],
    ["ping", "-c1", "127.0.0.1"],
):
    attempt(" ".join(argv), partial(subprocess.run, argv, capture_output=True, text=True, timeout=10))
attempt("raw socket", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
attempt("abstract sockets", lambda: Path("/proc/net/unix").read_text())
attempt("listening ports", lambda: Path("/proc/net/tcp").read_text())


def ask(url: str) -> int:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=5, context=context) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


host = os.environ.get("KUBERNETES_SERVICE_HOST")
if host:
    attempt("agent runs of the API server", lambda: ask(f"https://{host}/apis/hive.dev/v1alpha1/agentruns"))
    attempt("secrets of the API server", lambda: ask(f"https://{host}/api/v1/secrets"))
found = {"environ": dict(os.environ), "processes": processes, "secrets": secrets, "readable": readable}
print(json.dumps({**found, "attempts": attempts}, indent=1))
