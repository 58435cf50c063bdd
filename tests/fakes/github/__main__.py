"""A tracker to try things on: `python -m tests.fakes.github --port 8090 --repos 2 --issues 30`.

It prints where it is and a token with all rights, then serves until it is interrupted. What it can be told
meanwhile is in `control.py`.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import threading
from pathlib import Path

from tests.fakes.github import honesty, published
from tests.fakes.github.graphql_schema import schema
from tests.fakes.github.seeding import OWNER, seed
from tests.fakes.github.server import GitHub


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.github", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: a free one")
    parser.add_argument("--repos", type=int, default=2)
    parser.add_argument("--issues", type=int, default=30, help="open issues of each repository")
    parser.add_argument("--pulls", type=int, default=2, help="open pull requests of each repository")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--seed", type=int, default=0, help="of names, and of faults that hit by chance")
    parser.add_argument("--ready", default="status:ready", help="label of every third issue")
    args = parser.parse_args()
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.set())  # a second one must not disturb the cleaning up
    with tempfile.TemporaryDirectory(prefix="hive-github-") as home:
        github = GitHub(Path(home), latency=args.latency, port=args.port, seed=args.seed)
        github.audit.keep_bodies = honesty.write_calls()
        repos = seed(
            github.world,
            repos=args.repos,
            issues=args.issues,
            opened=args.pulls,
            seed=args.seed,
            ready=args.ready,
        )
        token = github.world.add_token(OWNER)
        try:
            schema()  # so that the first query does not wait for it
        except published.Unavailable as error:
            print(f"GraphQL is not served: {error}.")
        with github:
            print(f"site   {github.site}")
            print(f"api    {github.api}")
            print(f"token  {token.secret}   (of {OWNER})")
            print(f"repos  {' '.join(repo.full_name for repo in repos)}")
            print(f"Control: {github.site}/_fake/ · Ctrl-C ends it.", flush=True)
            ending.wait()
    print("Ended.")


if __name__ == "__main__":
    main()
