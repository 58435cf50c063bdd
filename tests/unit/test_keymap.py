"""Which key does what: defaults, remapping, clashes, and what a configuration may say."""

from __future__ import annotations

import string

import pytest
from textual.keys import _character_to_key

from hive_tui.config.parse import parse
from hive_tui.core import actions, keymap
from hive_tui.core.errors import ConfigError, UsageError
from hive_tui.core.key_names import key_label, name_of
from hive_tui.core.settings import Settings


def test_the_registry_has_no_clash_of_its_own() -> None:
    assert keymap.build() == keymap.DEFAULT
    assert not keymap.DEFAULT.changed
    assert {name: keys for name, keys in keymap.DEFAULT.keys.items() if keys} == {
        action.id: action.keys for action in actions.REGISTRY if action.keys
    }


def test_every_default_key_is_one_that_could_be_configured() -> None:
    for action in actions.REGISTRY:
        for key in action.keys:
            assert keymap.flaw(action.id, key) is None
            assert keymap.normal(key) == key


def test_characters_have_the_names_that_textual_gives_them() -> None:
    for char in string.printable[:95]:
        assert name_of(char) == _character_to_key(char)


def test_a_remapped_action_has_the_new_keys_and_no_other() -> None:
    keys = keymap.build({"kill": "K, ctrl+k", "pane.next": "ctrl+n", "filter": "?,g f", "help": "f1"})
    assert keys.of("kill") == ("K", "ctrl+k")
    assert keys.label("kill") == "K or Ctrl+K"
    assert keys.of("pane.next") == ("ctrl+n",)
    assert keys.of("filter") == ("question_mark", "g f")
    assert keys.plain("filter") == ("question_mark",)
    assert keys.chords["g"]["f"] == ("filter",)
    assert keys.changed
    assert keys.clashes == ()


def test_what_is_configured_goes_before_a_default_and_the_loser_is_named() -> None:
    keys = keymap.build({"kill": "p"})
    assert keys.of("kill") == ("p",)
    assert keys.of("pause") == keys.of("resume") == ()
    assert [(clash.key, clash.loser, clash.winner) for clash in keys.clashes] == [
        ("p", "pause", "kill"),
        ("p", "resume", "kill"),
    ]
    assert "'Pause' has no key" in str(keys.clashes[0])
    assert "`hive config set keys.pause KEY`" in str(keys.clashes[0])
    assert "set 'keys[pane.next]' KEY" in str(keymap.build({"kill": "tab"}).clashes[0])


def test_of_two_configured_the_first_wins_and_the_other_keeps_its_own() -> None:
    keys = keymap.build({"kill": "K", "retry": "K"})
    assert keys.of("kill") == ("K",)
    assert keys.of("retry") == ("R",)
    assert "'Retry' keeps R" in str(keys.clashes[0])


def test_two_actions_that_the_registry_tells_apart_may_share_a_key() -> None:
    keys = keymap.build({"pause": "P", "resume": "P"})
    assert keys.of("pause") == keys.of("resume") == ("P",)
    assert keys.clashes == ()


@pytest.mark.parametrize("key", ["escape", "ctrl+c", "ctrl+z"])
def test_the_ways_out_are_never_taken(key: str) -> None:
    keys = keymap.build({"kill": key})
    assert keys.of("kill") == ("x",)
    assert len(keys.clashes) == 1
    assert "escape" in keymap.build({"back": "b"}).of("back")


def test_the_palette_may_be_taken_but_not_in_silence() -> None:
    keys = keymap.build({"kill": "ctrl+p"})
    assert keys.of("palette") == ()
    assert [clash.loser for clash in keys.clashes] == ["palette"]


def test_a_key_that_begins_others_takes_them() -> None:
    assert {clash.loser for clash in keymap.build({"mute": "g"}).clashes} >= {"go.issue", "go.pull"}


def test_the_log_has_keys_of_its_own() -> None:
    assert keymap.build({"log.wrap": "x"}).clashes == ()
    assert [clash.loser for clash in keymap.build({"log.wrap": "?"}).clashes] == ["help"]
    assert [clash.loser for clash in keymap.build({"log.wrap": "j"}).clashes] == ["list.down"]


@pytest.mark.parametrize(
    ("name", "key", "problem", "hint"),
    [
        ("kil", "K", "no action 'kil'", "kill"),
        ("kill", "", "no key", "K, ctrl+n"),
        ("kill", "ctlr+k", "'ctlr' is no modifier", "ctrl, alt and shift"),
        ("kill", "esc", "'esc' is no key", "escape"),
        ("kill", "shift+k", "the character it types", "'K'"),
        ("kill", "g k k", "more than two", "One or two"),
    ],
)
def test_what_is_no_key_is_refused_with_the_nearest(name: str, key: str, problem: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        keymap.build({name: key})
    assert problem in refused.value.message
    assert hint in (refused.value.hint or "")


def test_the_configuration_names_the_line_and_the_path() -> None:
    assert parse(b"keys: {kill: K}\n", Settings, "c.yaml").keys == {"kill": "K"}
    with pytest.raises(ConfigError) as refused:
        parse(b"current: local\nkeys:\n  zoom: Z\n  kil: K\n", Settings, "c.yaml")
    assert "c.yaml:4: keys.kil is 'K'" in refused.value.message
    assert "kill" in (refused.value.hint or "")
    with pytest.raises(ConfigError, match=r"c\.yaml:2: keys\.kill"):
        parse(b"keys:\n  kill: [K]\n", Settings, "c.yaml")


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("plus", "+"),
        ("greater_than_sign", ">"),
        ("pageup", "PgUp"),
        ("up", "↑"),
        ("f5", "F5"),
        ("f", "f"),
        ("ctrl+p", "Ctrl+P"),
        ("shift+tab", "Shift+Tab"),
        ("ctrl+pagedown", "Ctrl+PgDn"),
        ("g i", "g i"),
        ("K", "K"),
    ],
)
def test_keys_are_written_as_people_write_them(key: str, label: str) -> None:
    assert key_label(key) == label
