"""A repository's template for pull requests, from its base branch."""

from __future__ import annotations

import json
from collections.abc import Iterable

import msgspec

from backends import typed
from backends.forges.github.desk import RepoApi
from backends.forges.github.errors import Garbled
from hive_tui.core.text import clean, clean_line

MAX_TEMPLATE = 20_000


class _Entry(msgspec.Struct, frozen=True):
    name: str = ""
    type: str = ""


class _Object(msgspec.Struct, frozen=True):
    """A tree or a blob."""

    entries: list[_Entry] | None = None
    text: str | None = None


def find(api: RepoApi, base: str, places: tuple[str, ...]) -> str | None:
    """The first of these files, in whatever case its name is written. Raises GitHubError."""
    folders = list(dict.fromkeys(place.rpartition("/")[0] for place in places))
    listed = dict(zip(folders, _objects(api, base, folders, "Tree{entries{name type}}"), strict=True))
    for place in places:
        folder, slash, name = place.rpartition("/")
        found = listed[folder]
        for entry in (found.entries if found is not None else None) or ():
            if entry.type == "blob" and entry.name.lower() == name.lower():
                (file,) = _objects(api, base, [f"{folder}{slash}{entry.name}"], "Blob{text}")
                return clean(file.text, limit=MAX_TEMPLATE) if file is not None and file.text else None
    return None


def _objects(api: RepoApi, base: str, paths: Iterable[str], what: str) -> list[_Object | None]:
    """What is at each of the paths, None where there is nothing; one query for all."""
    owner, _, name = api.repo.partition("/")
    fields = [
        f"o{number}:object(expression:{json.dumps(f'{base}:{path}')}){{... on {what}}}"
        for number, path in enumerate(paths)
    ]
    inner = "\n ".join(fields)
    query = (
        "query {\nrateLimit{cost limit remaining resetAt}\n"
        f"repository(owner:{json.dumps(owner)} name:{json.dumps(name)}){{\n {inner}\n}}\n}}"
    )
    about = f"the template of {api.repo}"
    found = api.client.graphql(query, repo=api.repo, what=about, write=True)
    try:
        repository = typed.decode(found.data, _Data).repository or {}
    except msgspec.DecodeError as error:
        raise Garbled(f"GitHub's answer about {about} cannot be read: {clean_line(str(error))}.") from None
    return [repository.get(f"o{number}") for number in range(len(fields))]


class _Data(msgspec.Struct, frozen=True):
    repository: dict[str, _Object | None] | None = None
