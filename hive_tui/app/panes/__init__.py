"""The panes of the console: each shows one part of a `View`, and says which things are selected in it."""

from __future__ import annotations
