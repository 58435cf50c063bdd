"""Amounts as Kubernetes writes them: `500m`, `2`, `4Gi`."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

_UNITS = {
    **{"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1)},
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}


def number(text: str | None) -> Decimal | None:
    """What an amount is; None for none, and for what is no amount."""
    if text is None:
        return None
    digits = text.rstrip("numkKMGTPEi")
    unit = text[len(digits) :]
    if unit == "E" or unit not in _UNITS:
        digits, unit = text, ""  # an exponent, as in 1E3
    try:
        return Decimal(digits) * _UNITS[unit]
    except InvalidOperation:
        return None


def millis(text: str | None) -> int | None:
    """Thousandths of an amount of cores."""
    found = number(text)
    return None if found is None else int(found * 1000)


def whole(text: str | None) -> int | None:
    """Bytes, or things that are counted."""
    found = number(text)
    return None if found is None else int(found)
