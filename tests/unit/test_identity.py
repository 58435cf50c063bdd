"""What tells a fleet from every other one: made once for its data folder, whoever asks first."""

from __future__ import annotations

import threading
from pathlib import Path

from backends.clusters.local import LocalCluster, identity
from tests import builders as b
from tests.fakes.simulated import context


def test_it_stays_and_no_other_folder_has_it(tmp_path: Path) -> None:
    found = [LocalCluster(context(tmp_path / name, b.settings())).identity() for name in ("a", "a", "b")]
    assert found[0] == found[1] != found[2]
    assert len(found[0]) == 8
    assert found[0].isalnum()


def test_all_who_ask_at_once_get_the_same(tmp_path: Path) -> None:
    ready, found = threading.Barrier(8), []

    def ask() -> None:
        ready.wait()
        found.append(identity.of_folder(tmp_path / "fleet"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / "fleet").iterdir()] == ["identity"]


def test_one_that_was_cut_off_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "identity").write_text("3fa")
    made = identity.of_folder(tmp_path)
    assert len(made) == 8
    assert identity.of_folder(tmp_path) == made
