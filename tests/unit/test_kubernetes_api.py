"""Calls to an API server: what is repeated, what is not, and what each answer means to a person."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3.exceptions as broken

from backends.clusters.kubernetes import api as api_module
from backends.clusters.kubernetes import errors, session
from backends.clusters.kubernetes.access import Kubeconfig
from backends.clusters.kubernetes.api import AGENT_RUNS, JOBS, NODES, PODS, Api
from backends.clusters.kubernetes.objects import AgentRunObject, JobObject, KubeObject, NodeObject, PodObject
from backends.clusters.kubernetes.pace import Pace
from hive_tui.core.errors import HiveError, Refused, SourceError, UsageError
from tests.fakes.kube_server import (
    Drop,
    Hang,
    KubeServer,
    Late,
    Lines,
    Reply,
    kube_server,
    kubeconfig,
    listing,
    ok,
    status,
    thing,
)
from tests.waiting import until

PODS_PATH = "/api/v1/namespaces/there/pods"
POD = f"{PODS_PATH}/p"
HERE = "/api/v1/namespaces/there"


@pytest.fixture
def server() -> Iterator[KubeServer]:
    with kube_server() as made:
        yield made


@pytest.fixture
def waited() -> list[float]:
    """The seconds between repetitions: nothing is really waited for."""
    return []


@pytest.fixture
def api(server: KubeServer, tmp_path: Path, waited: list[float]) -> Iterator[Api]:
    made = Api(Kubeconfig((kubeconfig(tmp_path, server.url),), None, None, {}), sleep=waited.append)
    yield made
    made.close()


def test_how_each_call_asks(server: KubeServer, api: Api) -> None:
    server.on(POD, always=ok(thing("p", "7")))
    server.on(f"{POD}/status", always=ok(thing("p", "8")))
    server.on(PODS_PATH, always=ok(thing("p", "9")))
    body = {"metadata": {"name": "p"}}
    assert api.get(PODS, "p", PodObject, version="0").metadata.resource_version == "7"
    assert api.create(PODS, body, PodObject).metadata.resource_version == "9"
    assert api.replace(PODS, "p", body, PodObject, sub="status").metadata.resource_version == "8"
    assert api.patch(PODS, "p", {"a": None}, PodObject).metadata.name == "p"
    api.apply(PODS, "p", body, force=True)
    assert api.delete(PODS, "p", uid="u-1", grace=0)
    asked = server.asked()
    assert [(each.method, each.path, each.query) for each in asked] == [
        ("GET", POD, {"resourceVersion": "0"}),
        ("POST", PODS_PATH, {}),
        ("PUT", f"{POD}/status", {}),
        ("PATCH", POD, {}),
        ("PATCH", POD, {"fieldManager": "hive", "force": "true"}),
        ("DELETE", POD, {}),
    ]
    kinds = [each.headers.get("content-type") for each in asked]
    patches = ["application/merge-patch+json", "application/apply-patch+yaml"]
    assert kinds == [None, "application/json", "application/json", *patches, "application/json"]
    assert json.loads(asked[3].body) == {"a": None}
    assert json.loads(asked[5].body) == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "propagationPolicy": "Background",
        "preconditions": {"uid": "u-1"},
        "gracePeriodSeconds": 0,
    }
    assert {each.headers["authorization"] for each in asked} == {"Bearer t"}
    assert asked[0].headers["user-agent"].startswith("hive/")


def test_names_stay_in_their_place_of_the_path(server: KubeServer, api: Api) -> None:
    with pytest.raises(SourceError):
        api.get(PODS, "../secrets/s?x=1", PodObject)
    assert server.asked()[0].target == f"{PODS_PATH}/..%2Fsecrets%2Fs%3Fx%3D1"


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (status(400, "BadRequest", "bad"), errors.Invalid, "refuses to create pods"),
        (status(403, "Forbidden", "User x cannot create pods"), errors.Forbidden, "forbids to create pods"),
        (status(409, "AlreadyExists", "p exists"), errors.AlreadyExists, "p exists"),
        (status(409, "Conflict", "object changed"), errors.Conflict, "object changed"),
        (status(410, "Gone", "old"), errors.Expired, "forgotten"),
        (status(422, "Invalid", "spec.x: required"), errors.Invalid, "spec.x: required"),
        (status(413, "RequestEntityTooLarge", "3 MB"), errors.Invalid, "3 MB"),
        (status(500, "InternalError", "etcd"), errors.Unreachable, "500: etcd"),
        (Reply(502, b"<html>Bad gateway</html>", (), "text/html"), errors.Unreachable, "502"),
        (Reply(302, b"", (("Location", "http://127.0.0.1:1/steal"),)), errors.NotKubernetes, "302"),
        (Reply(404, b"<html>Not here</html>", (), "text/html"), errors.NotKubernetes, "not as Kubernetes"),
        (Reply(200, b"<html>Log in</html>", (), "text/html"), errors.NotKubernetes, "not as Kubernetes"),
        (Reply(200, b'{"metadata":7}'), errors.NotInstalled, "not as hive expects"),
    ],
)
def test_what_an_answer_means(
    server: KubeServer, api: Api, reply: Reply, kind: type[HiveError], words: str
) -> None:
    server.on(PODS_PATH, reply)
    with pytest.raises(kind, match=words):
        api.create(PODS, {}, PodObject)
    assert len(server.asked(PODS_PATH)) == 1


def test_a_verb_that_is_missing_is_named_with_its_resource(server: KubeServer, api: Api) -> None:
    server.on(f"{POD}/log", status(403, "Forbidden", 'User "x" cannot get resource "pods/log"'))
    with pytest.raises(Refused) as caught:
        api.stream(PODS, "p", sub="log", query={"follow": "true"}, idle=5)
    assert isinstance(caught.value, errors.Forbidden)
    assert (caught.value.verb, caught.value.resource) == ("get", "pods/log")
    assert "kubectl auth can-i get pods/log -n there" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("exceeded quota: hive, requested: pods=1", "quota is used up"),
        ('violates PodSecurity "restricted:latest": privileged', "allows no such pods"),
        ("unable to create new content in namespace x because it is being terminated", "being deleted"),
    ],
)
def test_refusals_that_are_no_lack_of_rights(server: KubeServer, api: Api, said: str, hint: str) -> None:
    server.on("/apis/batch/v1/namespaces/there/jobs", status(403, "Forbidden", said, kind="jobs"))
    with pytest.raises(errors.Forbidden) as caught:
        api.create(JOBS, {}, JobObject)
    assert hint in (caught.value.hint or "")


def test_words_of_a_server_are_made_harmless(server: KubeServer, api: Api) -> None:
    evil = "\x1b]52;c;ZXZpbA==\x07denied \u202e ghp_" + "a" * 36 + "\nnext " + "x" * 10_000
    server.on(PODS_PATH, status(422, "Invalid", evil))
    with pytest.raises(errors.Invalid) as caught:
        api.create(PODS, {}, PodObject)
    assert caught.value.message.startswith(
        "The cluster refuses to create pods in the namespace there: denied •••"
    )
    assert len(caught.value.message) < 800
    assert caught.value.message.isprintable()


def test_an_object_that_is_not_there(server: KubeServer, api: Api) -> None:
    gone = status(404, "NotFound", 'pods "p" not found', name="p", kind="pods")
    server.on(POD, always=gone)
    server.on(HERE, ok(thing("there")))
    with pytest.raises(errors.NotFound, match='pods "p" not found'):
        api.get(PODS, "p", PodObject)
    assert api.delete(PODS, "p") is False


def test_a_resource_that_is_not_installed(server: KubeServer, api: Api) -> None:
    with pytest.raises(errors.NotInstalled) as caught:
        api.list(AGENT_RUNS, AgentRunObject)
    assert "hive deploy --crds-only" in (caught.value.hint or "")
    assert "not installed" in caught.value.message


def test_a_resource_of_another_version(server: KubeServer, api: Api) -> None:
    server.on("/apis/hive.dev", ok({"versions": [{"version": "v1"}]}))
    with pytest.raises(errors.NotInstalled, match="of another version: v1, not v1alpha1"):
        api.get(AGENT_RUNS, "r", AgentRunObject)


def test_an_empty_list_is_a_namespace_that_is_not_there(server: KubeServer, api: Api) -> None:
    missing = status(404, "NotFound", 'namespaces "there" not found', name="there", kind="namespaces")
    server.on(PODS_PATH, always=listing())
    server.on(HERE, missing, ok(thing("there")))
    server.on("/api/v1/namespaces", listing(thing("them"), thing("elsewhere"), thing("their")))
    with pytest.raises(UsageError, match="Unknown namespace 'there'") as caught:
        api.list(PODS, PodObject)
    assert "their" in (caught.value.hint or "")
    assert api.list(PODS, PodObject).items == ()
    assert api.list(PODS, PodObject).items == ()
    assert len(server.asked(HERE)) == 2, "once it is there, nothing more is asked"


@pytest.mark.parametrize("reply", [status(403, "Forbidden", "no"), status(500, "InternalError", "etcd")])
def test_whoever_may_not_look_at_namespaces_is_not_told_about_them(
    server: KubeServer, api: Api, reply: Reply
) -> None:
    server.on(PODS_PATH, listing())
    server.on(HERE, reply)
    assert api.list(PODS, PodObject).items == ()


@pytest.mark.parametrize(
    "trouble", [status(503, "ServiceUnavailable", "starting"), Drop(), status(429, "Busy")]
)
def test_a_read_is_repeated(server: KubeServer, api: Api, trouble: Reply | Drop) -> None:
    server.on(POD, trouble, trouble, ok(thing("p")))
    assert api.get(PODS, "p", PodObject).metadata.name == "p"


def test_a_read_is_given_up(server: KubeServer, api: Api) -> None:
    server.on(POD, always=status(503, "ServiceUnavailable", "starting"))
    with pytest.raises(errors.Unreachable, match="starting"):
        api.get(PODS, "p", PodObject)
    assert len(server.asked(POD)) == api_module.ATTEMPTS


def test_who_waits_longer_has_it_asked_for_longer(
    server: KubeServer, api: Api, waited: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "READ_SECONDS", 0.2)
    starting = status(503, "ServiceUnavailable", "starting")
    server.on(POD, *[starting] * (2 * api_module.ATTEMPTS), ok(thing("p")))
    patient = api.within(4 * api_module.SECONDS)
    assert patient.get(PODS, "p", PodObject).metadata.name == "p"
    assert len(waited) == 2 * api_module.ATTEMPTS


def test_a_slow_answer_has_the_time_of_whoever_waits(
    server: KubeServer, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "READ_SECONDS", 0.05)
    server.on(POD, Late(0.5, ok(thing("p"))))
    assert api.within(30.0).get(PODS, "p", PodObject).metadata.name == "p"
    assert len(server.asked(POD)) == 1


def test_who_is_in_haste_hears_soon_why(server: KubeServer, api: Api) -> None:
    server.on(POD, always=Hang())
    begun = time.monotonic()
    with pytest.raises(errors.Unreachable, match="stopped answering"):
        api.within(0.5).get(PODS, "p", PodObject)
    assert time.monotonic() - begun < 5.0


@pytest.mark.parametrize("trouble", [status(504, "Timeout", "etcd"), Drop()])
def test_a_write_that_may_have_taken_place_is_not_repeated(
    server: KubeServer, api: Api, trouble: Reply | Drop
) -> None:
    server.on(PODS_PATH, trouble, ok(thing("p")))
    with pytest.raises(errors.Unreachable) as caught:
        api.create(PODS, {}, PodObject)
    assert caught.value.reached
    assert len(server.asked(PODS_PATH)) == 1


def test_a_write_that_was_not_done_is_repeated(server: KubeServer, api: Api) -> None:
    server.on(PODS_PATH, status(429, "TooManyRequests", retry_after=1), ok(thing("p")))
    assert api.create(PODS, {}, PodObject).metadata.name == "p"


def test_an_apply_is_repeated_since_that_changes_nothing(server: KubeServer, api: Api) -> None:
    server.on(POD, Drop(), ok(thing("p")))
    api.apply(PODS, "p", {})
    assert len(server.asked(POD)) == 2


def test_a_server_is_asked_again_when_it_said(server: KubeServer, api: Api, waited: list[float]) -> None:
    server.on(POD, status(429, "TooManyRequests", retry_after=3), ok(thing("p")))
    api.get(PODS, "p", PodObject)
    assert len(waited) == 1
    assert 3.0 <= waited[0] < 4.0


def test_a_server_that_asks_for_too_much_patience_is_reported(server: KubeServer, api: Api) -> None:
    server.on(POD, status(429, "TooManyRequests", retry_after=3600))
    with pytest.raises(errors.Unreachable) as caught:
        api.get(PODS, "p", PodObject)
    assert caught.value.retry_after == 3600


def test_a_server_that_hangs_costs_its_time_once(
    server: KubeServer, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "READ_SECONDS", 0.2)
    server.on(PODS_PATH, always=Hang())
    with pytest.raises(errors.Unreachable, match="stopped answering"):
        api.create(PODS, {}, PodObject)
    assert len(server.asked(PODS_PATH)) == 1


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    api = Api(Kubeconfig((kubeconfig(tmp_path, url),), None, None, {}), sleep=lambda seconds: None)
    with pytest.raises(errors.Unreachable, match="refuses connections") as caught:
        api.create(PODS, {}, PodObject)
    assert not caught.value.reached


def test_a_large_answer_comes_compressed(server: KubeServer, api: Api) -> None:
    server.on(
        "/api/v1/nodes", ok({"metadata": {"resourceVersion": "5"}, "items": [thing("vm")]}, compressed=True)
    )
    found = api.list(NODES, NodeObject)
    assert (found.items[0].metadata.name, found.version) == ("vm", "5")
    assert server.asked()[0].headers["accept-encoding"] == "gzip"


def test_a_list_of_nothing_may_be_null(server: KubeServer, api: Api) -> None:
    server.on("/api/v1/nodes", ok({"metadata": {"resourceVersion": "5"}, "items": None}))
    assert api.list(NODES, NodeObject).items == ()


def test_a_refused_login_is_read_anew_once(server: KubeServer, api: Api, tmp_path: Path) -> None:
    refused = status(401, "Unauthorized", "Unauthorized")
    server.on(POD, ok(thing("p")), refused, ok(thing("p")))
    api.get(PODS, "p", PodObject)
    kubeconfig(tmp_path, server.url, user={"token": "rotated"})
    assert api.get(PODS, "p", PodObject).metadata.name == "p"
    used = [each.headers["authorization"] for each in server.asked(POD)]
    assert used == ["Bearer t", "Bearer t", "Bearer rotated"]


def test_a_login_that_stays_refused(server: KubeServer, api: Api) -> None:
    server.on(POD, always=status(401, "Unauthorized", "Unauthorized"))
    for calls in (2, 3):
        with pytest.raises(errors.Unauthorized) as caught:
            api.get(PODS, "p", PodObject)
        assert "Log in" in (caught.value.hint or "")
        assert len(server.asked(POD)) == calls, "credentials are not read anew at every call"


def test_many_streams_and_calls_beside_them(server: KubeServer, api: Api) -> None:
    line = b'{"n": 1}\n'
    server.on(f"{POD}/log", always=Lines((line,)))
    server.on(POD, always=ok(thing("p")))
    streams = [
        api.stream(PODS, "p", sub="log", query={"follow": "true"}, idle=30) for _ in range(session.STREAMS)
    ]
    seen: list[bytes] = []
    readers = [threading.Thread(target=lambda each=each: seen.extend(each)) for each in streams]
    for reader in readers:
        reader.start()
    until(lambda: len(seen) == session.STREAMS)
    assert api.get(PODS, "p", PodObject).metadata.name == "p"
    started = time.monotonic()
    for stream in streams:
        stream.close()
    for reader in readers:
        reader.join(5)
    assert time.monotonic() - started < 10, "nobody waits for silence to end"
    assert not any(reader.is_alive() for reader in readers)
    assert set(seen) == {line[:-1]}


def test_a_stream_that_nobody_reads_is_let_go_of(server: KubeServer, api: Api) -> None:
    server.on(f"{POD}/log", Lines((b"one\n",)))
    stream = api.stream(PODS, "p", sub="log", query={}, idle=5)
    stream.close()
    assert list(stream) == []


@pytest.mark.parametrize(("then", "raises"), [("close", False), ("abort", True)])
def test_the_end_of_a_log(server: KubeServer, api: Api, then: str, raises: bool) -> None:
    server.on(f"{POD}/log", Lines((b"one\ntw", b"o\r\n\nhalf"), then))
    lines: list[bytes] = []

    def read() -> None:
        lines.extend(api.stream(PODS, "p", sub="log", query={}, idle=5))

    if raises:
        with pytest.raises(errors.Unreachable):
            _each(api, lines)
    else:
        read()
    assert lines == [b"one", b"two\r", b""]


def _each(api: Api, lines: list[bytes]) -> None:
    for line in api.stream(PODS, "p", sub="log", query={}, idle=5):
        lines.append(line)


def test_a_log_that_has_nothing_to_say_yet_may_take_its_time(
    server: KubeServer, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_module, "FIRST_SECONDS", 0.1)
    server.on(f"{POD}/log", Hang())
    started = time.monotonic()
    with pytest.raises(errors.Unreachable):
        api.stream(PODS, "p", sub="log", query={"follow": "true"}, idle=0.6)
    assert time.monotonic() - started >= 0.5


def test_haste_is_moderated() -> None:
    now, waited = [0.0], []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds

    pace = Pace(rate=10, burst=3, clock=lambda: now[0], sleep=sleep)
    for _ in range(6):
        pace.wait()
    assert waited == pytest.approx([0.1, 0.1, 0.1])
    now[0] += 100
    for _ in range(3):
        pace.wait()
    assert len(waited) == 3


_POOL: Any = None


@pytest.mark.parametrize(
    ("error", "words", "lasting"),
    [
        (
            broken.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"),
            "not who your kubeconfig expects",
            True,
        ),
        (broken.SSLError("Hostname mismatch, certificate is not valid for"), "not who your", True),
        (
            broken.SSLError("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED]"),
            "does not accept the certificate",
            True,
        ),
        (broken.SSLError("[SSL] PEM lib (_ssl.c:3895)"), "cannot be used", True),
        (
            broken.SSLError("[X509: NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found"),
            "cannot be used",
            True,
        ),
        (broken.SSLError("[SSL: WRONG_VERSION_NUMBER]"), "does not speak TLS", True),
        (broken.SSLError("[SSL: UNEXPECTED_EOF_WHILE_READING]"), "broke", False),
        (broken.ProxyError("no", OSError("Tunnel connection failed: 403")), "broke through the proxy", False),
        (broken.ProtocolError("Connection aborted"), "broke", False),
        (broken.NameResolutionError("k", _POOL, socket.gaierror()), "its name is unknown", False),
        (broken.ConnectTimeoutError(_POOL, "Connection to k timed out"), "nothing answers", False),
        (broken.ReadTimeoutError(_POOL, "", "Read timed out."), "has stopped answering", False),
    ],
)
def test_a_transport_error_is_said_in_words(error: Exception, words: str, lasting: bool) -> None:
    said = session.trouble(error, "https://k")
    assert words in said.message
    assert said.message.startswith(("https://k", "The connection to https://k", "A certificate"))
    assert isinstance(said, errors.Untrusted) == lasting
    assert said.hint


def test_objects_are_decoded_once_from_the_bytes(server: KubeServer, api: Api) -> None:
    run = {**thing("r"), "spec": {"work": {"a": 1}}, "status": {"phase": "running"}}
    server.on("/apis/hive.dev/v1alpha1/namespaces/there/agentruns", listing(run))
    found = api.list(AGENT_RUNS, AgentRunObject).items[0]
    assert json.loads(bytes(found.spec)) == {"work": {"a": 1}}
    assert isinstance(found, KubeObject)
