"""Compiled scanners that cut a GeoJSON file into features and take the coordinates out of them.

They look at bytes only and never recurse, so neither size nor nesting of a file can hurt; all that
remains of a feature is a small JSON text for the standard library.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from slideconcord.compiled import compiled

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

# what a scanner found wrong
OK, NOT_A_NUMBER, UNEVEN, TOO_DEEP, SHORT_POSITION, SYNTAX, NOT_FINITE, NOT_AN_OBJECT = range(8)
FAULTS = {
    NOT_A_NUMBER: "holds something else than a number among its coordinates",
    UNEVEN: "has coordinates nested unevenly",
    TOO_DEEP: "is nested too deep",
    SHORT_POSITION: "has a position with fewer than two numbers",
    SYNTAX: "has a syntax error among its coordinates",
    NOT_FINITE: "has a coordinate that is not finite",
    NOT_AN_OBJECT: "is not a JSON object",
}
# fields of the splitter's state
DEPTH, IN_STRING, ESCAPED, MATCHED, LENGTH, IS_KEY, ANYTHING, FAULT, BEGIN = range(9)
STATE_SIZE = 9

_FEATURES = np.frombuffer(b"features", np.uint8)
_COORDINATES = np.frombuffer(b"coordinates", np.uint8)
_QUOTE, _ESCAPE, _COMMA, _COLON = ord('"'), ord("\\"), ord(","), ord(":")
_OPEN, _CLOSE, _OPEN_OBJECT, _CLOSE_OBJECT = ord("["), ord("]"), ord("{"), ord("}")
_MINUS, _PLUS, _POINT, _ZERO, _NINE, _LOWER_E, _UPPER_E = (ord(c) for c in "-+.09eE")
_CAPITAL_N, _CAPITAL_I = ord("N"), ord("I")
_DEEPEST = 4
_EXACT_POWERS = 10.0 ** np.arange(23)


@compiled
def _is_space(byte: int) -> bool:
    return byte in (32, 9, 10, 13)


@compiled
def skip_shell(buffer: Bytes, position: int, state: Ints) -> int:
    """Scan what surrounds the features; return where their array begins, or the buffer's end.

    ``state[ANYTHING]`` is 2 when the array was entered.
    """
    for i in range(position, buffer.size):
        byte = buffer[i]
        if state[IN_STRING]:
            if state[ESCAPED]:
                state[ESCAPED] = 0
            elif byte == _ESCAPE:
                state[ESCAPED] = 1
            elif byte == _QUOTE:
                state[IN_STRING] = 0
                state[IS_KEY] = state[MATCHED] == 8 and state[LENGTH] == 8
            elif state[LENGTH] < 8 and byte == _FEATURES[state[LENGTH]]:
                state[MATCHED] += 1
            state[LENGTH] += 1
            if not state[IN_STRING]:
                state[LENGTH] = 0
            continue
        if _is_space(byte):
            continue
        if byte == _QUOTE:
            state[IN_STRING], state[MATCHED], state[LENGTH], state[IS_KEY] = 1, 0, 0, 0
        elif byte in (_OPEN, _OPEN_OBJECT):
            features = byte == _OPEN and state[DEPTH] == 1 and state[IS_KEY] == 1
            bare_array = byte == _OPEN and state[DEPTH] == 0 and state[ANYTHING] == 0
            state[DEPTH] += 1
            state[IS_KEY] = 0
            if features or bare_array:
                state[ANYTHING] = 2
                return i + 1
        elif byte in (_CLOSE, _CLOSE_OBJECT):
            state[DEPTH] -= 1
        elif byte != _COLON:
            state[IS_KEY] = 0
        state[ANYTHING] = 1
    return buffer.size


@compiled
def split_features(
    buffer: Bytes, position: int, state: Ints, starts: Ints, ends: Ints
) -> tuple[int, int]:
    """Find whole features in the array that ``skip_shell`` entered.

    Returns the number found and the position reached. ``state[BEGIN]`` is where an unfinished
    feature begins, or -1; ``state[ANYTHING]`` becomes 3 at the array's end.
    """
    found, base = 0, state[BEGIN]
    depth = state[DEPTH]
    for i in range(position, buffer.size):
        byte = buffer[i]
        if base >= 0:
            if state[IN_STRING]:
                if state[ESCAPED]:
                    state[ESCAPED] = 0
                elif byte == _ESCAPE:
                    state[ESCAPED] = 1
                elif byte == _QUOTE:
                    state[IN_STRING] = 0
            elif byte == _QUOTE:
                state[IN_STRING] = 1
            elif byte in (_OPEN, _OPEN_OBJECT):
                depth += 1
            elif byte in (_CLOSE, _CLOSE_OBJECT):
                depth -= 1
                if depth == state[LENGTH]:
                    starts[found], ends[found] = base, i + 1
                    found, base = found + 1, -1
                    if found == starts.size:
                        state[DEPTH], state[BEGIN] = depth, base
                        return found, i + 1
        elif byte == _OPEN_OBJECT:
            base = i
            state[LENGTH] = depth
            depth += 1
        elif byte == _CLOSE:
            state[ANYTHING], state[DEPTH], state[BEGIN] = 3, depth, -1
            state[LENGTH] = 0
            return found, i
        elif not (_is_space(byte) or byte == _COMMA):
            state[FAULT] = NOT_AN_OBJECT
            state[DEPTH], state[BEGIN] = depth, base
            return found, i
    state[DEPTH], state[BEGIN] = depth, base
    return found, buffer.size


@compiled
def take_coordinates(
    buffer: Bytes,
    starts: Ints,
    ends: Ints,
    most_nested: int,
    text: Bytes,
    text_ends: Ints,
    feature_items: Ints,
    xy: NDArray[np.float64],
    ring_ends: Ints,
    part_ends: Ints,
    item_ends: Ints,
    item_depths: Ints,
    faults: Ints,
) -> int:
    """Copy features to ``text`` with every coordinate array replaced by ``[its item number]``.

    An item has parts (polygons), a part has rings, a ring has positions; the ``..._ends`` say
    where each ends in the table below it, and ``feature_items`` the items up to a feature's end.
    Returns the number of items.
    """
    used = items = 0
    sizes = np.zeros(3, np.int64)  # positions, rings, parts
    for feature in range(starts.size):
        faults[feature] = OK
        i, end, depth = starts[feature], ends[feature], 0
        while i < end:
            byte = buffer[i]
            text[used] = byte
            used += 1
            i += 1
            if byte in (_OPEN, _OPEN_OBJECT):
                depth += 1
                if depth > most_nested:
                    faults[feature] = TOO_DEEP
                    break
            elif byte in (_CLOSE, _CLOSE_OBJECT):
                depth -= 1
            elif byte == _QUOTE:
                begin = i
                while i < end and buffer[i] != _QUOTE:
                    i += 2 if buffer[i] == _ESCAPE else 1
                i = min(i, end)
                stop = min(i + 1, end)
                text[used : used + stop - begin] = buffer[begin:stop]
                used += stop - begin
                is_key = _equals(buffer, begin, i, _COORDINATES)
                i = stop
                if is_key:
                    array = _array_after_colon(buffer, i, end)
                    if array < 0:
                        continue
                    text[used : used + array - i] = buffer[i:array]
                    used += array - i
                    i, fault = _read_array(
                        buffer, array, end, xy, ring_ends, part_ends, item_depths, items, sizes
                    )
                    if fault:
                        faults[feature] = fault
                        break
                    item_ends[items] = sizes[2]
                    used = _write_index(text, used, items)
                    items += 1
        text_ends[feature], feature_items[feature] = used, items
    return items


@compiled
def _equals(buffer: Bytes, begin: int, end: int, word: Bytes) -> bool:
    if end - begin != word.size:
        return False
    same = True
    for i in range(word.size):
        same &= buffer[begin + i] == word[i]
    return same


@compiled
def _array_after_colon(buffer: Bytes, i: int, end: int) -> int:
    """Return where the array begins that follows a key and its colon, or -1."""
    colons = 0
    while i < end and (_is_space(buffer[i]) or (buffer[i] == _COLON and colons == 0)):
        colons += buffer[i] == _COLON
        i += 1
    return i if i < end and colons == 1 and buffer[i] == _OPEN else -1


@compiled
def _write_index(text: Bytes, used: int, index: int) -> int:
    text[used] = _OPEN
    used += 1
    power = 1
    while power * 10 <= index:
        power *= 10
    while power > 0:
        text[used] = _ZERO + (index // power) % 10
        used += 1
        power //= 10
    text[used] = _CLOSE
    return used + 1


@compiled
def _read_array(
    buffer: Bytes,
    i: int,
    end: int,
    xy: NDArray[np.float64],
    ring_ends: Ints,
    part_ends: Ints,
    item_depths: Ints,
    item: int,
    sizes: Ints,
) -> tuple[int, int]:
    """Read one coordinate array; return the position after it and what is wrong with it."""
    positions, rings, parts = sizes[0], sizes[1], sizes[2]
    level = position_level = numbers = 0
    want_value, want_comma = True, False
    while i < end:
        byte = buffer[i]
        if _is_space(byte):
            i += 1
        elif byte == _OPEN:
            if want_comma:
                return i, SYNTAX
            level += 1
            if level > _DEEPEST:
                return i, TOO_DEEP
            if position_level and level > position_level:
                return i, UNEVEN
            numbers, want_value = 0, False
            i += 1
        elif byte == _CLOSE:
            if want_value:
                return i, SYNTAX
            i += 1
            if position_level and level == position_level:
                if numbers < 2:
                    return i, SHORT_POSITION
                positions += 1
            elif position_level and level == position_level - 1:
                ring_ends[rings], rings = positions, rings + 1
            elif position_level and level == position_level - 2:
                part_ends[parts], parts = rings, parts + 1
            level -= 1
            want_comma = True
            if level == 0:
                if position_level == 1:
                    ring_ends[rings], rings = positions, rings + 1
                if position_level in (1, 2):
                    part_ends[parts], parts = rings, parts + 1
                item_depths[item] = position_level
                sizes[0], sizes[1], sizes[2] = positions, rings, parts
                return i, OK
        elif byte == _COMMA:
            if not want_comma:
                return i, SYNTAX
            want_value, want_comma = True, False
            i += 1
        elif byte == _MINUS or _ZERO <= byte <= _NINE:
            if want_comma:
                return i, SYNTAX
            if position_level == 0:
                position_level = level
            if level != position_level:
                return i, UNEVEN
            value, i = read_number(buffer, i, end)
            if not np.isfinite(value):
                return i, SYNTAX if np.isnan(value) else NOT_FINITE
            if numbers < 2:
                xy[positions, numbers] = value
            numbers += 1
            want_value, want_comma = False, True
        elif byte in (_CAPITAL_N, _CAPITAL_I):
            return i, NOT_FINITE
        else:
            return i, NOT_A_NUMBER
    return i, SYNTAX


@compiled
def read_number(buffer: Bytes, i: int, end: int) -> tuple[float, int]:
    """Read a JSON number; return it and the position after it, or NaN for a malformed one."""
    negative = buffer[i] == _MINUS
    i += negative
    digits, exponent, seen = np.uint64(0), 0, 0
    point = False
    while i < end:
        byte = buffer[i]
        if _ZERO <= byte <= _NINE:
            seen += 1
            # 18 digits fit; what follows them only moves the point
            if digits < np.uint64(100_000_000_000_000_000):
                digits = digits * np.uint64(10) + np.uint64(byte - _ZERO)
                exponent -= point
            else:
                exponent += not point
        elif byte == _POINT and not point:
            point = True
        else:
            break
        i += 1
    if seen == 0:
        return np.nan, i
    if i < end and (buffer[i] == _LOWER_E or buffer[i] == _UPPER_E):
        power, i = _read_exponent(buffer, i + 1, end)
        exponent += power
    value = _scaled(digits, exponent)
    return (-value if negative else value), i


@compiled
def _read_exponent(buffer: Bytes, i: int, end: int) -> tuple[int, int]:
    negative = i < end and buffer[i] == _MINUS
    if i < end and (buffer[i] == _MINUS or buffer[i] == _PLUS):
        i += 1
    power = 0
    while i < end and _ZERO <= buffer[i] <= _NINE:
        if power < 10_000:
            power = power * 10 + int(buffer[i] - _ZERO)
        i += 1
    return (-power if negative else power), i


@compiled
def _scaled(digits: np.uint64, exponent: int) -> float:
    """Return digits * 10**exponent, correctly rounded for the numbers that programs write."""
    high = np.float64(digits)
    if -22 <= exponent <= 0:
        # the quotient's error is fed back, so 17 digits survive as 15 do
        power = _EXACT_POWERS[-exponent]
        quotient = high / power
        low = np.float64(np.int64(digits) - np.int64(high))
        return quotient + (_product_residue(high, quotient, power) + low) / power
    if exponent > 400 or exponent < -400:
        return np.inf if exponent > 0 and digits else 0.0
    return high * 10.0 ** np.float64(exponent)


@compiled
def _product_residue(whole: float, quotient: float, power: float) -> float:
    """Return whole - quotient * power without rounding (Dekker's product)."""
    product = quotient * power
    q_high, p_high = _upper_half(quotient), _upper_half(power)
    q_low, p_low = quotient - q_high, power - p_high
    error = ((q_high * p_high - product) + q_high * p_low + q_low * p_high) + q_low * p_low
    return (whole - product) - error


@compiled
def _upper_half(value: float) -> float:
    scaled = value * 134217729.0
    return scaled - (scaled - value)
