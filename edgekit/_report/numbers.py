"""Numbers as text for people: three digits, the unit beside them, never rounded towards a better result."""

from __future__ import annotations

import math

# Keeps a number and its unit on one line.
SPACE = "\u00a0"
NONE = "–"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def three_digits(value: float) -> str:
    """A number of ordinary size with three significant digits, without an exponent: ``18.6``, ``0.0692``, ``1234``."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    # Rounded first: 9.996 has its leading digit before the point's second place once it is 10.0.
    rounded = float(f"{value:.2e}")
    decimals = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{rounded if decimals else value:.{decimals}f}"


def size(count: float) -> str:
    """Bytes in decimal units: ``18.6 MB``."""
    for unit in ("B", "kB", "MB"):
        if count < 999.5:
            return f"{three_digits(count) if unit != 'B' else int(count)}{SPACE}{unit}"
        count /= 1000
    return f"{three_digits(count)}{SPACE}GB"


def duration(milliseconds: float) -> str:
    """A duration in the unit that suits it: ``69.2 µs``, ``13.7 ms``, ``2.10 s``."""
    if milliseconds < 0.9995:
        return f"{three_digits(milliseconds * 1000)}{SPACE}µs"
    if milliseconds < 999.5:
        return f"{three_digits(milliseconds)}{SPACE}ms"
    return f"{three_digits(milliseconds / 1000)}{SPACE}s"


def decibels(value: float | None) -> str:
    """An SQNR: ``124.3 dB``, ``identical`` where it is infinite."""
    if value is None:
        return NONE
    return "identical" if math.isinf(value) else f"{value:.1f}{SPACE}dB"


def error(value: float | None) -> str:
    """An error: ``6.1 × 10⁻⁷``, ``0.0123``, ``0``."""
    return NONE if value is None else _powered(f"{value:.1e}") if _needs_power(value) else three_digits(value)


def exact(value: float) -> str:
    """A bound, as it is: rounded, it could be one that the model would not keep."""
    return _powered(f"{value:.6g}") if "e" in f"{value:.6g}" else f"{value:.6g}"


def percent(share: float | None) -> str:
    """A share, rounded down, so that 100 % is said of all and of nothing less: ``99.99 %``."""
    if share is None:
        return NONE
    # The inner rounding undoes the multiplication's noise: 10 000 times 0.57 is 5699.999….
    hundredths = math.floor(round(share * 10_000, 6))
    return f"{hundredths / 100:.2f}".rstrip("0").rstrip(".") + f"{SPACE}%"


def _needs_power(value: float) -> bool:
    return value != 0 and math.isfinite(value) and not 1e-3 <= abs(value) < 1e4


def _powered(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}{SPACE}×{SPACE}10{str(int(exponent)).translate(_SUPERSCRIPT)}"
