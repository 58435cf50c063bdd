"""Who is asking: users, apps, installations and their tokens, over REST."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

import jwt

from tests.fakes.github.hooks import Bucket
from tests.fakes.github.rest import Answer, Call, Stop, endpoint
from tests.fakes.github.rights import LEVELS
from tests.fakes.github.shapes import stamp
from tests.fakes.github.state import App, Installation, Token, User, World

TOKEN_LIFE = timedelta(hours=1)
JWT_LIFE = timedelta(minutes=10)


def app_of(world: World, text: str) -> App:
    """The app that signed a JSON web token; raises Stop (401). Its times are checked by the world's clock."""
    now = world.now().timestamp()
    try:
        claimed = jwt.decode(text, options={"verify_signature": False})
        app = world.apps.get(int(claimed.get("iss", 0)))
        if app is None:
            raise Stop(404, "Integration not found")
        jwt.decode(
            text, app.public_key, algorithms=["RS256"], options={"verify_exp": False, "verify_iat": False}
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise Stop(401, "A JSON web token could not be decoded") from error
    expires, issued = claimed.get("exp"), claimed.get("iat")
    if not isinstance(expires, int) or expires > now + JWT_LIFE.total_seconds():
        raise Stop(401, "'Expiration time' claim ('exp') is too far in the future")
    if expires <= now:
        words = "must be a numeric value representing the future time at which the assertion expires"
        raise Stop(401, f"'Expiration time' claim ('exp') {words}")
    if not isinstance(issued, int) or issued > now:
        words = "must be an Integer representing the time that the assertion was issued"
        raise Stop(401, f"'Issued at' claim ('iat') {words}")
    return app


def _me(call: Call) -> App:
    if call.app is None:
        raise Stop(401, "A JSON web token could not be decoded")
    return call.app


@endpoint("GET", "/app")
def get_app(call: Call) -> Answer:
    return Answer(200, call.shapes.app(_me(call)))


@endpoint("GET", "/app/installations")
def list_installations(call: Call) -> Answer:
    app = _me(call)
    mine = [made for made in call.world.installations.values() if made.app is app]
    return Answer(200, [call.shapes.installation(made) for made in call.page(mine)])


def _installation(call: Call, number: int) -> Installation:
    made = call.world.installations.get(number)
    if made is None or made.app is not _me(call):
        raise Stop(404, "Not Found")
    return made


@endpoint("GET", "/app/installations/{number}")
def get_installation(call: Call) -> Answer:
    return Answer(200, call.shapes.installation(_installation(call, int(call.params["number"]))))


def _of_account(call: Call, account: str) -> Answer:
    for made in call.world.installations.values():
        if made.app is _me(call) and made.account.lower() == account.lower():
            return Answer(200, call.shapes.installation(made))
    raise Stop(404, "Not Found")


@endpoint("GET", "/repos/{owner}/{repo}/installation")
def get_repository_installation(call: Call) -> Answer:
    for made in call.world.installations.values():
        chosen = made.repositories is None or call.repo.full_name.lower() in made.repositories
        if made.app is _me(call) and made.account.lower() == call.repo.owner.lower() and chosen:
            return Answer(200, call.shapes.installation(made))
    raise Stop(404, "Not Found")


@endpoint("GET", "/orgs/{login}/installation")
@endpoint("GET", "/users/{login}/installation")
def get_account_installation(call: Call) -> Answer:
    return _of_account(call, call.params["login"])


@endpoint("POST", "/app/installations/{number}/access_tokens")
def create_access_token(call: Call) -> Answer:
    """A token of an hour, narrowed to some repositories and permissions where asked."""
    made, world = _installation(call, int(call.params["number"])), call.world
    if made.suspended_at is not None:
        raise Stop(403, "This installation has been suspended")
    asked = call.body.get("permissions") or made.permissions
    for name, level in asked.items():
        if LEVELS.get(level, 9) > LEVELS[made.permissions.get(name, "none")] and name != "metadata":
            raise Stop(422, "The permissions requested are not granted to this installation.")
    names = {f"{made.account}/{name}".lower() for name in call.body.get("repositories") or ()}
    for number in call.body.get("repository_ids") or ():
        repo = world.repositories.get(number)
        names.add(repo.full_name.lower() if repo else f"#{number}")
    chosen = [x for x in world.repositories.values() if x.owner.lower() == made.account.lower()]
    if made.repositories is not None:
        chosen = [repo for repo in chosen if repo.full_name.lower() in made.repositories]
    if names - {repo.full_name.lower() for repo in chosen}:
        words = "There is at least one repository that does not exist or is not accessible"
        raise Stop(422, f"{words} to the parent installation.")
    number = world.next_id()
    token = Token(f"token-{number}", "ghs_" + secrets.token_hex(18), made.app.bot, "installation")
    token.permissions = {"metadata": "read", **asked}
    token.repositories = frozenset(names) if names else None
    token.installation = made
    token.expires_at = world.now() + TOKEN_LIFE
    world.tokens[token.secret] = token
    answer: dict[str, Any] = {
        "token": token.secret,
        "expires_at": stamp(token.expires_at),
        "permissions": token.permissions,
        "repository_selection": "selected" if names or made.repositories is not None else "all",
    }
    if names:
        answer["repositories"] = [
            call.shapes.repository(repo) for repo in chosen if repo.full_name.lower() in names
        ]
    return Answer(201, answer)


@endpoint("GET", "/installation/repositories")
def list_installation_repositories(call: Call) -> Answer:
    if call.token is None or call.token.installation is None:
        raise Stop(403, "You must authenticate with an installation access token")
    mine = call.world.visible(call.token)
    shown = [call.shapes.repository(repo) for repo in call.page(mine)]
    return Answer(200, {"total_count": len(mine), "repository_selection": "selected", "repositories": shown})


@endpoint("DELETE", "/installation/token")
def revoke_installation_token(call: Call) -> Answer:
    if call.token is None or call.token.installation is None:
        raise Stop(403, "You must authenticate with an installation access token")
    call.token.revoked = True
    return Answer(204)


@endpoint("GET", "/user")
def get_me(call: Call) -> Answer:
    login = call.login
    if call.token and call.token.kind == "installation":
        raise Stop(403, "Resource not accessible by integration")
    return Answer(200, call.shapes.profile(call.world.user(login)))


@endpoint("GET", "/users/{login}")
def get_user(call: Call) -> Answer:
    found: User | None = call.world.users.get(call.params["login"].lower())
    if found is None:
        raise Stop(404, "Not Found")
    return Answer(200, call.shapes.profile(found))


@endpoint("GET", "/rate_limit")
def rate_limit(call: Call) -> Answer:
    """Free of points."""
    shown = {name: as_json(call.limits.look(call.holder, name)) for name in ("core", "graphql")}
    shown["search"] = {"limit": 30, "used": 0, "remaining": 30, "reset": shown["core"]["reset"]}
    return Answer(200, {"resources": shown, "rate": shown["core"]})


def as_json(bucket: Bucket) -> dict[str, int]:
    reset = int(bucket.reset_at.timestamp())
    return {"limit": bucket.limit, "used": bucket.used, "remaining": bucket.remaining, "reset": reset}


@endpoint("GET", "/zen")
def zen(call: Call) -> Answer:
    return Answer(200, b"Keep it logically awesome.", kind="text/plain;charset=utf-8")
