"""Which cluster tests may touch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cluster import named


def kubeconfig(folder: Path, context: str) -> str:
    path = folder / context
    path.write_text(f"current-context: {context}\ncontexts: []\n")
    return str(path)


@pytest.mark.parametrize("context", ["prod", "hive", "hive-test-not"])
def test_a_person_s_own_cluster_is_out_of_reach(tmp_path: Path, context: str) -> None:
    environ = {"KUBECONFIG": kubeconfig(tmp_path, context)}
    named.settle(environ)
    assert environ == {"KUBECONFIG": os.devnull}


@pytest.mark.parametrize("text", ["", "- a list", "{", "\x00"])
def test_nor_is_what_cannot_be_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    for name in (str(path), str(tmp_path / "nowhere"), f"{path}:{path}"):
        environ = {"KUBECONFIG": name}
        named.settle(environ)
        assert environ == {"KUBECONFIG": os.devnull}


def test_one_that_is_named_for_tests_is_used(tmp_path: Path) -> None:
    test, prod = kubeconfig(tmp_path, "hive-test"), kubeconfig(tmp_path, "prod")
    environ = {"KUBECONFIG": test}
    named.settle(environ)
    named.settle(environ)  # as a worker of the same session does
    assert environ == {"KUBECONFIG": os.devnull, named.VARIABLE: test}
    environ = {"KUBECONFIG": test, named.VARIABLE: prod}
    named.settle(environ)
    assert environ[named.VARIABLE] == prod, "whoever names it means it"


def test_where_there_is_none_it_is_said_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(named.VARIABLE, raising=False)
    with pytest.raises(named.NoCluster, match=f"{named.VARIABLE} names"):
        named.kubeconfig()
    monkeypatch.setenv(named.VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(named.NoCluster, match="which is no file"):
        named.kubeconfig()
