"""Tokens of a line: every function moves the cursor over what it read, never beyond its end."""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcmp, strlen


cdef struct Cursor:
    const uint8_t *p
    const uint8_t *end


cdef inline bint eat(Cursor *c, const char *word) noexcept nogil:
    cdef size_t n = strlen(word)
    if <size_t> (c.end - c.p) < n or memcmp(c.p, word, n) != 0:
        return False
    c.p += n
    return True


cdef inline bint at_end(Cursor *c) noexcept nogil:
    """Whether a token is over: at the end of the line or before a space."""
    return c.p == c.end or c.p[0] == c" "


cdef inline bint spaces(Cursor *c) noexcept nogil:
    """Skip one or more spaces; at the end of the line none is needed."""
    if c.p == c.end:
        return True
    if c.p[0] != c" ":
        return False
    while c.p != c.end and c.p[0] == c" ":
        c.p += 1
    return True


cdef inline bint is_digit(uint8_t ch) noexcept nogil:
    return c"0" <= ch <= c"9"


cdef inline bint number(Cursor *c, uint64_t limit, uint64_t *out) noexcept nogil:
    """Read decimal digits, at most ``limit``; False if there is none or it is larger."""
    cdef uint64_t value = 0, digit
    cdef const uint8_t *start = c.p
    while c.p != c.end and is_digit(c.p[0]):
        digit = c.p[0] - c"0"
        if value > (limit - digit) // 10:
            return False
        value = value * 10 + digit
        c.p += 1
    out[0] = value
    return c.p != start


cdef inline bint keyed(Cursor *c, const char *key, uint64_t limit, uint64_t *out) noexcept nogil:
    """Read ``key`` (with its "="), a number and the spaces after it."""
    return eat(c, key) and number(c, limit, out) and spaces(c)


cdef inline bint hexadecimal(Cursor *c, const char *key, uint64_t *out) noexcept nogil:
    """Read ``key`` (with its "=0x"), hexadecimal digits below 2^32 and the spaces after them."""
    cdef int digits = 0
    cdef uint8_t ch
    if not eat(c, key):
        return False
    out[0] = 0
    while c.p != c.end and digits < 9:
        ch = c.p[0]
        if is_digit(ch):
            out[0] = out[0] << 4 | <uint64_t> (ch - c"0")
        elif c"a" <= (ch | 0x20) <= c"f":
            out[0] = out[0] << 4 | <uint64_t> ((ch | 0x20) - c"a" + 10)
        else:
            break
        digits += 1
        c.p += 1
    return 0 < digits < 9 and spaces(c)


cdef inline bint word(Cursor *c) noexcept nogil:
    """Skip a non-empty run of printable characters and the spaces after it."""
    cdef const uint8_t *start = c.p
    while c.p != c.end and c.p[0] > 32 and c.p[0] != 127:
        c.p += 1
    return c.p != start and spaces(c)
