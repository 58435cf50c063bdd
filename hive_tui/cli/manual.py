"""The references in docs/, written from the code: `python -m hive_tui.cli.manual [FOLDER]`.

A test holds the files equal to what this prints.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from hive_tui.cli import root
from hive_tui.cli.commands import COMMANDS
from hive_tui.config.reference import as_markdown
from hive_tui.core import actions, document

_NOTE = "<!-- Written by `make docs` from the code. -->\n"

DOCS = Path(__file__).parents[2] / "docs"


def documents() -> dict[str, str]:
    """File name -> text, of every generated document."""
    return {
        "cli.md": commands_document(),
        "configuration.md": configuration_document(),
        "keys.md": keys_document(),
        "hive-v1.schema.json": json.dumps(document.schema(), indent=2, ensure_ascii=False) + "\n",
    }


def keys_document() -> str:
    """Every action of the registry with its keys and its command, by what it is about."""
    lines = [
        f"{_NOTE}# Keys and actions",
        "",
        "The same registry is behind the keys, the palette, the command line and this page. A key means",
        "something only where the backend can do it. What is marked ⚠ asks first, and Enter cancels.",
        "`keys:` in the configuration gives an action other keys by its id (see [console.md](console.md)).",
        "",
    ]
    for scope, title in _SCOPES.items():
        rows = [action for action in actions.REGISTRY if action.scope is scope]
        lines += [
            f"## {title}",
            "",
            "| keys | action | id | command | what it does |",
            "|---|---|---|---|---|",
        ]
        for action in rows:
            keys = " ".join(f"`{actions.key_label(key)}`" for key in action.keys)
            command = f"`hive {action.command}`" if action.command else ""
            mark = " ⚠" if action.danger is not actions.Danger.NONE else ""
            cells = (keys, f"{action.title}{mark}", f"`{action.id}`", command, action.help)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    return "\n".join(lines)


_SCOPES = {
    actions.Scope.VIEW: "Everywhere",
    actions.Scope.LIST: "Moving in lists and texts",
    actions.Scope.FLEET: "The fleet",
    actions.Scope.ISSUE: "An issue",
    actions.Scope.RUN: "A run",
    actions.Scope.PULL: "A pull request",
    actions.Scope.LOG: "The log, full screen",
    actions.Scope.DETAIL: "One thing, opened",
    actions.Scope.SESSIONS: "The sessions of this machine",
    actions.Scope.COSTS: "Costs, full screen",
}


def configuration_document() -> str:
    """Every key of both configuration files."""
    return f"""{_NOTE}# Configuration

hive works without any. `hive config path` tells where your file is, `hive config set KEY VALUE` changes it
with your comments kept, and a mistake is an error that names the line, the key and the nearest valid one.
`HIVE_HOME` moves configuration, data and cache below one folder; `HIVE_FLEET` and `--fleet` choose a fleet,
`HIVE_USER` your login, `HIVE_COLOR=always|never` and `NO_COLOR` colours.

```yaml
# config.yaml
current: local
fleets:
  local:
    slots: 2
    agents:
      - name: claude
    allowed_authors: [me]
    repos:
      - name: me/app
        path: ~/src/app
        base: main
        test: make test
```

`config.yaml` is yours; `.hive/config.yaml` belongs to a repository and is read from its base branch, so
what an agent writes into it counts only once you have merged it.

{as_markdown()}"""


def commands_document() -> str:
    """Every command with its options, in the order and the sections of `hive --help`."""
    context = click.Context(root, info_name="hive", terminal_width=100, **root.context_settings)
    lines = [
        f"{_NOTE}# Commands",
        "",
        "Data goes to standard output, messages to standard error. Exit codes: 0 done, 1 failed or partly"
        ' failed, 2 usage, 3 refused. `-o json` prints one object with `"schema": "hive/v1"`.',
        "",
        *_block(root.get_help(context)),
    ]
    section = None
    for name, entry in COMMANDS.items():
        if entry.section != section:
            section = entry.section
            lines += [f"## {section}", ""]
        command = root.get_command(context, name)
        if command is not None:
            lines += _command(command, context, name)
    return "\n".join(lines).rstrip() + "\n"


def _command(command: click.Command, parent: click.Context, name: str) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent)
    yield from (f"### `{context.command_path}`", "")
    yield from _block(command.get_help(context))
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            if found is not None:
                yield from _command(found, context, inner)


def _block(text: str) -> list[str]:
    return ["```text", re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE), "```", ""]


def main(folder: Path) -> None:
    """Write the documents."""
    folder.mkdir(exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
