"""The docstrings under the fields of a struct.

Python does not keep them at run time, so the source is read: what is generated from it cannot say anything
else than the code.
"""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap


@functools.cache
def of_fields(kind: type) -> dict[str, str]:
    """Field -> what is said of it, for the fields that a class itself declares."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef), f"{kind.__name__} is a class"
    found: dict[str, str] = {}
    for field, after in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[field.target.id] = inspect.cleandoc(str(after.value.value))
    return found
