"""Kubeconfigs of every kind, right and wrong: which server is reached, and as whom."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.clusters.kubernetes import access
from backends.clusters.kubernetes.access import InCluster, TokenFile, connect
from backends.clusters.kubernetes.api import PODS, Api
from backends.clusters.kubernetes.errors import Unauthorized, Unreachable
from backends.clusters.kubernetes.objects import PodObject
from hive_tui.core.errors import ConfigError, HiveError
from hive_tui.core.worker_template import KubernetesSettings
from tests.fakes.authority import certify
from tests.fakes.kube_server import KubeServer, Request, kube_server, kubeconfig, ok, status, thing
from tests.waiting import until

POD = "/api/v1/namespaces/there/pods/p"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server() -> Iterator[KubeServer]:
    with kube_server() as made:
        made.on(POD, always=ok(thing("p")))
        yield made


def at(path: Path, **settings: Any) -> Api:
    return connect(KubernetesSettings(kubeconfig=str(path), **settings))


def ask(api: Api, server: KubeServer) -> Request:
    """What a call looks like there."""
    api.get(PODS, "p", PodObject)
    return server.asked(POD)[-1]


def refused(path: Path, **settings: Any) -> HiveError:
    with pytest.raises(HiveError) as caught:
        at(path, **settings).get(PODS, "p", PodObject)
    assert caught.value.hint
    return caught.value


# Where


def test_the_file_that_the_settings_name(tmp_path: Path) -> None:
    api = at(kubeconfig(tmp_path, "https://k.example:6443/"))
    assert (api.context, api.namespace, api.server) == ("x", "there", "https://k.example:6443")


def test_the_settings_have_the_last_word_on_the_namespace(tmp_path: Path) -> None:
    assert at(kubeconfig(tmp_path, "https://k"), namespace="mine").namespace == "mine"


def test_files_of_the_environment_are_merged_as_kubectl_does(tmp_path: Path) -> None:
    first, second, empty = tmp_path / "1", tmp_path / "2", tmp_path / "3"
    cluster = {"name": "c", "cluster": {"server": "https://one"}}
    first.write_text(yaml.safe_dump({"clusters": [cluster], "current-context": "b"}))
    other = {"name": "c", "cluster": {"server": "https://two"}}
    contexts = [{"name": name, "context": {"cluster": "c"}} for name in ("a", "b")]
    second.write_text(yaml.safe_dump({"clusters": [other], "contexts": contexts, "current-context": "a"}))
    empty.touch()
    listed = os.pathsep.join(map(str, (empty, tmp_path / "not there", first, second)))
    api = connect(KubernetesSettings(), environ={"KUBECONFIG": listed})
    assert (api.context, api.server, api.namespace) == ("b", "https://one", "default")
    api = connect(KubernetesSettings(context="a"), environ={"KUBECONFIG": listed})
    assert api.context == "a"


def test_the_usual_file(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path, "https://home").rename(tmp_path / ".kube" / "config")
    assert connect(KubernetesSettings(), environ={"HOME": str(tmp_path)}).server == "https://home"


def test_nothing_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no kubeconfig") as caught:
        connect(KubernetesSettings(), environ={"HOME": str(tmp_path)})
    assert "kubernetes.kubeconfig" in (caught.value.hint or "")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no kubeconfig"):
        at(tmp_path / "nope")
    with pytest.raises(ConfigError, match=r"KUBECONFIG names .*nope"):
        connect(KubernetesSettings(), environ={"KUBECONFIG": str(tmp_path / "nope"), "HOME": str(tmp_path)})


def test_a_context_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "k"
    contexts = [{"name": name, "context": {"cluster": "c"}} for name in ("production", "staging")]
    path.write_text(yaml.safe_dump({"contexts": contexts}))
    error = refused(path, context="prodution")
    assert "Unknown context 'prodution'" in error.message
    assert "Did you mean production?" in (error.hint or "")
    error = refused(path)
    assert "no current context" in error.message
    assert "production, staging" in (error.hint or "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\x00\x01",
        "a: [",
        "just words",
        "[1, 2]",
        "clusters: 7",
        "{contexts: [7], current-context: x}",
        "{contexts: [{context: {}}], current-context: x}",
        "{contexts: [{name: x}], current-context: x}",
        "{contexts: [{name: x, context: []}], current-context: x}",
        "{contexts: [{name: x, context: {cluster: c}}], current-context: x}",
        "{contexts: [{name: x, context: {cluster: c}}], clusters: [{name: c}], current-context: x}",
        "{contexts: [{name: x, context: {cluster: c}}], clusters: [{name: c, cluster: {server: 'k:6443'}}],"
        " current-context: x}",
        "{contexts: [{name: x, context: {cluster: c, user: u}}], current-context: x,"
        " clusters: [{name: c, cluster: {server: 'https://s'}}], users: [{name: u, user: {exec: 7}}]}",
        "{contexts: [{name: x, context: {cluster: c, user: u}}], current-context: x,"
        " clusters: [{name: c, cluster: {server: 'https://s'}}]}",
    ],
)
def test_files_that_are_no_kubeconfig(tmp_path: Path, text: str) -> None:
    path = tmp_path / "k"
    path.write_text(text)
    error = refused(path)
    assert isinstance(error, ConfigError)
    assert str(path) in error.message
    assert not any(word in error.message for word in (" object ", "indices", "NoneType")), "Python's words"


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kubeconfig(tmp_path, "https://k")

    def forbid(name: str) -> None:
        raise PermissionError(13, f"Permission denied: {name}")

    monkeypatch.setattr("kubernetes.config.kube_config.open", forbid, raising=False)
    assert "Permission denied" in refused(path).message


# Who


def test_a_token(server: KubeServer, tmp_path: Path) -> None:
    request = ask(at(kubeconfig(tmp_path, server.url, user={"token": "abc\n"})), server)
    assert request.headers["authorization"] == "Bearer abc"


def test_a_name_and_password(server: KubeServer, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, server.url, user={"username": "u", "password": "p"})
    assert ask(at(path), server).headers["authorization"] == "Basic dTpw"


def test_nobody(server: KubeServer, tmp_path: Path) -> None:
    assert "authorization" not in ask(at(kubeconfig(tmp_path, server.url, user={})), server).headers


def test_acting_as_another(server: KubeServer, tmp_path: Path) -> None:
    user = {
        "token": "t",
        "as": "jane",
        "as-groups": ["devs", "ops"],
        "as-uid": "7",
        "as-user-extra": {"reason": ["because"]},
    }
    headers = ask(at(kubeconfig(tmp_path, server.url, user=user)), server).headers
    assert headers["impersonate-user"] == "jane"
    assert headers["impersonate-uid"] == "7"
    assert headers["impersonate-extra-reason"] == "because"
    assert headers["impersonate-group"] in ("devs, ops", "ops")


def test_a_token_file_beside_the_kubeconfig_wins_over_a_token(server: KubeServer, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file\n")
    path = kubeconfig(tmp_path, server.url, user={"token": "t", "tokenFile": "secret"})
    assert ask(at(path), server).headers["authorization"] == "Bearer from the file"


def test_a_token_file_that_rotates(tmp_path: Path) -> None:
    now = [0.0]
    path = tmp_path / "token"
    path.write_text("one\n")
    token = TokenFile(path, lambda: now[0])
    assert token() == "Bearer one"
    path.write_text("two")
    now[0] = access.TOKEN_SECONDS - 1
    assert token() == "Bearer one"
    now[0] = access.TOKEN_SECONDS
    assert token() == "Bearer two"
    path.write_text("")
    now[0] = 2 * access.TOKEN_SECONDS
    assert token() == "Bearer two", "half-written files are read later"
    path.unlink()
    now[0] = 3 * access.TOKEN_SECONDS
    assert token() == "Bearer two"


def test_a_token_file_that_is_not_there(server: KubeServer, tmp_path: Path) -> None:
    error = refused(kubeconfig(tmp_path, server.url, user={"tokenFile": "nope"}))
    assert str(tmp_path / "nope") in error.message


def test_a_rotated_token_file_is_read_at_once_when_the_old_token_is_refused(
    server: KubeServer, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("old")
    api = at(kubeconfig(tmp_path, server.url, user={"tokenFile": "secret"}))
    ask(api, server)
    (tmp_path / "secret").write_text("new")
    server.on(POD, status(401, "Unauthorized"))
    assert ask(api, server).headers["authorization"] == "Bearer new"


def test_the_account_of_a_pod(tmp_path: Path) -> None:
    certificate, _ = certify(tmp_path)
    certificate.rename(tmp_path / "ca.crt")
    (tmp_path / "token").write_text("mine")
    (tmp_path / "namespace").write_text("agents\n")
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    found = InCluster(None, environ, tmp_path)
    assert (found.context, found.namespace, found.server) == (None, "agents", "https://[fd00::1]:443")
    assert found.open().server == found.server
    (tmp_path / "ca.crt").unlink()
    with pytest.raises(ConfigError, match="account cannot be used"):
        found.open()


def test_a_pod_needs_no_package_for_its_account(tmp_path: Path) -> None:
    """Its import takes half a second of every run."""
    certificate, _ = certify(tmp_path)
    certificate.rename(tmp_path / "ca.crt")
    (tmp_path / "token").write_text("mine")
    code = (
        "import sys; from pathlib import Path; import hive_tui.runner.__main__\n"
        "from backends.clusters.kubernetes.access import InCluster\n"
        "environ = {'KUBERNETES_SERVICE_HOST': '10.0.0.1'}\n"
        "InCluster(None, environ, Path(sys.argv[1])).open()\n"
        "print([name for name in sys.modules if name.partition('.')[0] == 'kubernetes'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_a_pod_is_known_by_its_environment(tmp_path: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOME": str(tmp_path)}
    assert connect(KubernetesSettings(), environ=environ).server == "https://10.0.0.1:443"
    with pytest.raises(ConfigError):
        connect(KubernetesSettings(context="laptop"), environ=environ)


def test_a_login_that_cannot_be_renewed_keeps_its_secrets(server: KubeServer, tmp_path: Path) -> None:
    secrets = {"client-secret": "S3CRET-ONE", "refresh-token": "S3CRET-TWO"}
    provider = {"name": "oidc", "config": secrets}
    error = refused(kubeconfig(tmp_path, server.url, user={"auth-provider": provider, "password": "S3CRET"}))
    assert isinstance(error, ConfigError)
    assert "id-token" in error.message
    assert "S3CRET" not in error.words


def test_a_login_by_openid(server: KubeServer, tmp_path: Path) -> None:
    token = jwt(time.time() + 3600)
    provider = {"name": "oidc", "config": {"id-token": token, "idp-issuer-url": "http://127.0.0.1:1"}}
    path = kubeconfig(tmp_path, server.url, user={"auth-provider": provider})
    assert ask(at(path), server).headers["authorization"] == f"Bearer {token}"
    provider["config"] = {"id-token": jwt(time.time() - 60), "idp-issuer-url": "http://127.0.0.1:1"}
    kubeconfig(tmp_path, server.url, user={"auth-provider": provider})
    error = refused(path)
    assert isinstance(error, Unauthorized)
    assert "cannot be renewed" in error.message


def jwt(end: float) -> str:
    parts: tuple[dict[str, Any], ...] = ({"alg": "none"}, {"exp": int(end)}, {})
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts
    )


def test_a_login_that_kubernetes_has_removed(tmp_path: Path) -> None:
    error = refused(kubeconfig(tmp_path, "https://k", user={"auth-provider": {"name": "gcp"}}))
    assert "gcp, which Kubernetes has removed" in error.message


# Programs that know who


class Plugin:
    """A program that gives credentials, and writes down what it was given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._answer = folder / "answer.json"
        self._calls = folder / "calls"
        self.path = folder / "plugin"
        self.path.write_text(
            f"#!{sys.executable}\n"
            "import os, sys\n"
            f"open({str(self._calls)!r}, 'a').write(os.environ['KUBERNETES_EXEC_INFO'] + '\\n')\n"
            "assert not sys.stdin.read(), 'somebody typed'\n"
            "print('a word to the person', os.environ.get('REGION'), *sys.argv[1:], file=sys.stderr)\n"
            f"answer = open({str(self._answer)!r}).read()\n"
            "sys.exit(3) if answer == 'fail' else print(answer)\n"
        )
        self.path.chmod(0o700)

    def give(self, *, seconds: float | None = None, **credential: str) -> None:
        if seconds is not None:
            end = datetime.now(UTC) + timedelta(seconds=seconds)
            credential["expirationTimestamp"] = end.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        api = "client.authentication.k8s.io/v1"
        self.say(json.dumps({"apiVersion": api, "kind": "ExecCredential", "status": credential}))

    def say(self, text: str) -> None:
        self._answer.write_text(text)

    def calls(self) -> list[Any]:
        return [json.loads(line) for line in self._calls.read_text().splitlines()]

    def user(self, **extra: Any) -> dict[str, Any]:
        env = [{"name": "REGION", "value": "eu"}]
        api = "client.authentication.k8s.io/v1"
        return {"exec": {"apiVersion": api, "command": "./plugin", "args": ["get"], "env": env, **extra}}


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    return Plugin(tmp_path)


def test_a_program_that_gives_a_token(server: KubeServer, tmp_path: Path, plugin: Plugin) -> None:
    plugin.give(token="from aws", seconds=900)
    api = at(kubeconfig(tmp_path, server.url, user=plugin.user()))
    assert ask(api, server).headers["authorization"] == "Bearer from aws"
    ask(api, server)
    assert [each["spec"] for each in plugin.calls()] == [{"interactive": False}]


def test_a_program_is_run_again_when_its_token_ends(
    server: KubeServer, tmp_path: Path, plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin.give(token="one", seconds=900)
    api = at(kubeconfig(tmp_path, server.url, user=plugin.user()))
    ask(api, server)
    plugin.give(token="two", seconds=1800)
    later = time.time() + 880
    monkeypatch.setattr(time, "time", lambda: later)
    assert ask(api, server).headers["authorization"] == "Bearer two"


def test_a_short_lived_token_is_used_for_half_its_life_at_least(
    server: KubeServer, tmp_path: Path, plugin: Plugin
) -> None:
    plugin.give(token="short", seconds=20)
    api = at(kubeconfig(tmp_path, server.url, user=plugin.user()))
    for _ in range(3):
        ask(api, server)
    assert len(plugin.calls()) == 1


def test_a_program_is_run_again_when_its_token_is_refused(
    server: KubeServer, tmp_path: Path, plugin: Plugin
) -> None:
    plugin.give(token="one")
    api = at(kubeconfig(tmp_path, server.url, user=plugin.user()))
    ask(api, server)
    plugin.give(token="two")
    server.on(POD, status(401, "Unauthorized"))
    assert ask(api, server).headers["authorization"] == "Bearer two"


def test_a_token_in_the_kubeconfig_needs_no_program(
    server: KubeServer, tmp_path: Path, plugin: Plugin
) -> None:
    path = kubeconfig(tmp_path, server.url, user={"token": "t", **plugin.user()})
    assert ask(at(path), server).headers["authorization"] == "Bearer t"


def test_a_program_is_told_of_the_cluster_if_it_wants_to_be(
    server: KubeServer, tmp_path: Path, plugin: Plugin
) -> None:
    plugin.give(token="t")
    told = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "me"}}
    user = plugin.user(provideClusterInfo=True)
    ask(at(kubeconfig(tmp_path, server.url, user=user, cluster={"extensions": [told]})), server)
    cluster = {"server": server.url, "config": {"audience": "me"}}
    assert plugin.calls()[0]["spec"] == {"interactive": False, "cluster": cluster}


@pytest.mark.parametrize(
    "said", ["fail", "no json", "{}", '{"status": {}}', '{"status": {"clientKeyData": "k"}}']
)
def test_a_program_that_fails(
    server: KubeServer, tmp_path: Path, plugin: Plugin, capfd: pytest.CaptureFixture[str], said: str
) -> None:
    plugin.say(said)
    error = refused(kubeconfig(tmp_path, server.url, user=plugin.user()))
    assert isinstance(error, Unauthorized)
    assert "./plugin" in error.message
    assert "kubectl" in (error.hint or "")
    assert ("a word to the person eu get" in error.message) == (said == "fail")
    assert server.asked() == [], "nobody asks as nobody"
    assert capfd.readouterr() == ("", ""), "the terminal is the console's"


def test_a_program_that_failed_is_not_run_at_every_call(
    server: KubeServer, tmp_path: Path, plugin: Plugin
) -> None:
    plugin.say("fail")
    api = at(kubeconfig(tmp_path, server.url, user=plugin.user()))
    for _ in range(3):
        with pytest.raises(Unauthorized):
            ask(api, server)
    assert len(plugin.calls()) == 1


def test_a_program_that_does_not_answer_is_waited_for_as_long_as_somebody_waits(
    server: KubeServer, tmp_path: Path, plugin: Plugin
) -> None:
    os.mkfifo(tmp_path / "answer.json")  # nobody writes to it
    api = at(kubeconfig(tmp_path, server.url, user=plugin.user()))
    with pytest.raises(Unauthorized, match=r"No credentials came from \./plugin") as caught:
        ask(api.within(1.0), server)
    assert "took longer than" in caught.value.message


def test_nobody_who_leaves_waits_for_a_program(server: KubeServer, tmp_path: Path, plugin: Plugin) -> None:
    answer = tmp_path / "answer.json"
    os.mkfifo(answer)
    api = at(kubeconfig(tmp_path, server.url, user=plugin.user()))
    asking = threading.Thread(target=ask, args=(api, server))
    asking.start()
    until(lambda: (tmp_path / "calls").exists(), what="the program")
    leaving = threading.Thread(target=api.close)
    leaving.start()
    leaving.join(10)
    left = not leaving.is_alive()
    plugin.give(token="t")  # which opens the pipe's other end
    for each in (asking, leaving):
        each.join()
    assert left


def test_a_program_that_is_not_there(server: KubeServer, tmp_path: Path) -> None:
    user = {"exec": {"command": "no-such-program", "installHint": "brew install it\x1b[31m"}}
    error = refused(kubeconfig(tmp_path, server.url, user=user))
    assert isinstance(error, ConfigError)
    assert "no-such-program" in error.message
    assert error.hint == "brew install it"


# By which way


def test_the_proxy_of_the_cluster(
    server: KubeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    api = at(kubeconfig(tmp_path, "http://cluster.invalid", cluster={"proxy-url": server.url}))
    assert ask(api, server).target == f"http://cluster.invalid{POD}"


def test_the_proxy_of_the_environment(
    server: KubeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    path = kubeconfig(tmp_path, "http://cluster.invalid")
    assert ask(at(path), server).target == f"http://cluster.invalid{POD}"


def test_what_the_environment_excepts_from_its_proxy(
    server: KubeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    assert ask(at(kubeconfig(tmp_path, server.url)), server).target == POD


def test_a_proxy_for_encrypted_connections(
    server: KubeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", server.url)
    error = refused(kubeconfig(tmp_path, "https://cluster.invalid:6443"))
    assert server.asked()[0].target == "cluster.invalid:6443"
    assert isinstance(error, Unreachable)
    assert "through the proxy" in error.message


def test_a_proxy_of_a_kind_that_is_not_known(tmp_path: Path) -> None:
    error = refused(kubeconfig(tmp_path, "https://k", cluster={"proxy-url": "gopher://p:1"}))
    assert isinstance(error, ConfigError)
    assert "proxy" in (error.hint or "")


# With what certificates


@pytest.fixture
def encrypted(server: KubeServer, tmp_path: Path) -> tuple[str, Path]:
    """The server's address, and its authority."""
    folder = tmp_path / "tls"
    folder.mkdir()
    certificate, key = certify(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.encrypt(context)
    return server.url, certificate


def test_an_authority_of_the_kubeconfigs_own(
    server: KubeServer, tmp_path: Path, encrypted: tuple[str, Path]
) -> None:
    url, authority = encrypted
    path = kubeconfig(tmp_path, url, cluster={"certificate-authority": str(authority.relative_to(tmp_path))})
    assert ask(at(path), server).headers["authorization"] == "Bearer t"


def test_a_server_that_nobody_vouches_for(
    server: KubeServer, tmp_path: Path, encrypted: tuple[str, Path]
) -> None:
    error = refused(kubeconfig(tmp_path, encrypted[0]))
    assert isinstance(error, Unreachable)
    assert "not who your kubeconfig expects" in error.message
    assert server.asked() == [], "it is given no token"


def test_a_server_of_another_name(server: KubeServer, tmp_path: Path, encrypted: tuple[str, Path]) -> None:
    cluster = {"certificate-authority": str(encrypted[1]), "tls-server-name": "other.example"}
    assert (
        "not who your kubeconfig expects"
        in refused(kubeconfig(tmp_path, encrypted[0], cluster=cluster)).message
    )


def test_a_server_that_is_not_looked_at_closely(
    server: KubeServer, tmp_path: Path, encrypted: tuple[str, Path]
) -> None:
    cluster = {"insecure-skip-tls-verify": True}
    assert ask(at(kubeconfig(tmp_path, encrypted[0], cluster=cluster)), server)


def test_certificates_that_are_not_there(tmp_path: Path) -> None:
    error = refused(kubeconfig(tmp_path, "https://k", cluster={"certificate-authority": "nope.crt"}))
    assert isinstance(error, ConfigError)
    assert "nope.crt" in error.message


def test_certificates_that_are_none(server: KubeServer, tmp_path: Path, encrypted: tuple[str, Path]) -> None:
    cluster = {"certificate-authority": str(encrypted[1])}
    user = {"client-certificate-data": "Tm8=", "client-key-data": "Tm8="}
    error = refused(kubeconfig(tmp_path, encrypted[0], cluster=cluster, user=user))
    assert "cannot be used" in error.message


@pytest.fixture
def choosy(server: KubeServer, tmp_path: Path) -> dict[str, Any]:
    """What a kubeconfig says of the server, which now wants to see a certificate, that of `tmp_path/me`."""
    theirs, mine = tmp_path / "tls", tmp_path / "me"
    for folder in (theirs, mine):
        folder.mkdir()
    authority, key = certify(theirs)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, key)
    context.load_verify_locations(certify(mine)[0])
    context.verify_mode = ssl.CERT_REQUIRED
    server.encrypt(context)
    return {"certificate-authority": str(authority)}


def test_a_client_certificate(server: KubeServer, tmp_path: Path, choosy: dict[str, Any]) -> None:
    names = {"client-certificate": "me/authority.pem", "client-key": "me/key.pem"}
    assert (
        "authorization"
        not in ask(at(kubeconfig(tmp_path, server.url, cluster=choosy, user=names)), server).headers
    )
    files = {
        f"{name}-data": base64.b64encode((tmp_path / file).read_bytes()).decode()
        for name, file in names.items()
    }
    assert ask(at(kubeconfig(tmp_path, server.url, cluster=choosy, user=files)), server)


def test_a_client_certificate_that_is_missing(
    server: KubeServer, tmp_path: Path, choosy: dict[str, Any]
) -> None:
    error = refused(kubeconfig(tmp_path, server.url, cluster=choosy))
    assert isinstance(error, Unreachable)
    assert server.asked() == []


def test_a_program_gives_a_client_certificate_and_another_one_later(
    server: KubeServer,
    tmp_path: Path,
    choosy: dict[str, Any],
    plugin: Plugin,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine = {
        "clientCertificateData": (tmp_path / "me" / "authority.pem").read_text(),
        "clientKeyData": (tmp_path / "me" / "key.pem").read_text(),
    }
    plugin.give(seconds=900, **mine)
    api = at(kubeconfig(tmp_path, server.url, cluster=choosy, user=plugin.user()))
    assert "authorization" not in ask(api, server).headers
    plugin.give(seconds=1800, token="and a token", **mine)
    later = time.time() + 880
    monkeypatch.setattr(time, "time", lambda: later)
    assert ask(api, server).headers["authorization"] == "Bearer and a token"
    assert len(plugin.calls()) == 2
