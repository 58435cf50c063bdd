from __future__ import annotations

import pytest

from hive_tui.core.errors import WorkRejected
from hive_tui.runner.policy import Change, judge, links, parse

WORKFLOWS = (".github/workflows/",)


def change(path: str, mode: str = "100644", before: str = "000000") -> Change:
    return Change(path, before, mode, "1" * 40)


def test_parse_reads_what_git_writes() -> None:
    zero, blob = b"0" * 40, b"a" * 40
    raw = b":000000 100644 %s %s A\0a \xc3\xa4\n.txt\0" % (zero, blob)
    raw += b":100644 000000 %s %s D\0\xff\0" % (blob, zero)
    assert parse(raw) == [
        Change("a ä\n.txt", "000000", "100644", "a" * 40),
        Change("\udcff", "100644", "000000", "0" * 40),
    ]
    assert parse(b"") == []


@pytest.mark.parametrize("raw", [b"garbage\0path\0", b":1 2 3\0path\0"])
def test_parse_refuses_anything_else(raw: bytes) -> None:
    with pytest.raises(WorkRejected):
        parse(raw)


def test_ordinary_changes_are_nobodys_business() -> None:
    fine = [change("a.py"), change("run.sh", "100755"), change("gone", "000000", "100644")]
    fine += [change(".github/dependabot.yml"), change("docs/.github/workflows.md")]
    assert judge(fine, {}, WORKFLOWS) == []


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".GitHub/Workflows/x", ".github/workflows"])
def test_protected_paths_need_a_person(path: str) -> None:
    assert judge([change(path)], {}, WORKFLOWS) == [f"{path} is protected"]


def test_removing_a_protected_file_counts_too() -> None:
    gone = change(".github/workflows/ci.yml", "000000", "100644")
    assert judge([gone], {}, WORKFLOWS) == [".github/workflows/ci.yml is protected"]


@pytest.mark.parametrize("path", [".git/config", "sub/.GIT/hooks/x", "git~1/x"])
def test_paths_of_git_itself(path: str) -> None:
    assert judge([change(path)], {}, ()) == [f"{path} belongs to git itself"]


def test_submodules_that_move_appear_or_go() -> None:
    for mode, before in (("160000", "160000"), ("160000", "000000"), ("000000", "160000")):
        assert judge([change("lib", mode, before)], {}, ()) == ["lib changes a submodule"]


@pytest.mark.parametrize(
    ("path", "target", "fine"),
    [
        ("link", "docs/a.md", True),
        ("docs/link", "../a.md", True),
        ("docs/link", "../../a.md", False),
        ("link", "/etc/passwd", False),
        ("link", "..", False),
        ("a/b", "../.git/config", False),
        ("link", "a/../../x", False),
    ],
)
def test_links_stay_in_the_tree(path: str, target: str, fine: bool) -> None:
    made = change(path, "120000")
    assert links([made, change("other")]) == [made]
    assert (judge([made], {path: target}, ()) == []) is fine


def test_a_link_whose_target_was_not_read_needs_a_person() -> None:
    assert judge([change("link", "120000")], {}, ())


def test_hostile_names_are_harmless_in_the_reason() -> None:
    [reason] = judge([change(".github/workflows/\x1b]52;c;x\x07\u202ea")], {}, WORKFLOWS)
    assert reason.isprintable()
