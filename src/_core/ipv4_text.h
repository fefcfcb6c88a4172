/* Dotted decimal in one vector: 35 instructions where octet by octet takes 95.
 *
 * Needs SSE4.1, which every x86-64-v2 processor has; elsewhere netpol_ipv4 is not there and the caller
 * reads octet by octet.
 */
#ifndef NETPOL_IPV4_TEXT_H
#define NETPOL_IPV4_TEXT_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE4_1__)
#define NETPOL_HAS_IPV4 1 /* private */
#include <smmintrin.h>

/* One for each way the lengths of four octets can be: 3 * 3 * 3 * 3, counted from 1. */
typedef struct {
    uint8_t shuffle[16]; /* digits to [0, hundreds, tens, ones], the last octet first */
    int32_t least[4];    /* the smallest value of each octet's length: no leading zeros */
} netpol_ipv4_shape;

static netpol_ipv4_shape netpol_ipv4_shapes[82];
static uint8_t netpol_ipv4_shape_of[65536]; /* by where the first four bytes that are no digits stand */

static void netpol_ipv4_init(void)
{
    static const int32_t least[4] = {0, 0, 10, 100};
    for (int shape = 0; shape < 81; shape++) {
        const int length[4] = {shape / 27 + 1, shape / 9 % 3 + 1, shape / 3 % 3 + 1, shape % 3 + 1};
        netpol_ipv4_shape *to = &netpol_ipv4_shapes[shape + 1];
        uint32_t marks = 0;
        int start = 0;
        memset(to->shuffle, 0x80, 16);
        for (int i = 0; i < 4; i++) {
            for (int digit = 0; digit < length[i]; digit++)
                to->shuffle[4 * (3 - i) + 4 - length[i] + digit] = (uint8_t)(start + digit);
            to->least[3 - i] = least[length[i]];
            start += length[i];
            marks |= 1u << start++;
        }
        netpol_ipv4_shape_of[marks] = (uint8_t)(shape + 1);
    }
}

/* The address whose digits have the values of `digits` and whose octets end at `marks`, the last of
 * them at the address's end. */
static inline int netpol_ipv4_value(__m128i digits, uint32_t marks, uint32_t *out)
{
    const netpol_ipv4_shape *shape = &netpol_ipv4_shapes[netpol_ipv4_shape_of[marks]];
    if (shape == netpol_ipv4_shapes)
        return 0;
    digits = _mm_shuffle_epi8(digits, _mm_loadu_si128((const __m128i *)shape->shuffle));
    digits = _mm_maddubs_epi16(digits, _mm_set1_epi32(0x010a6400));
    digits = _mm_madd_epi16(digits, _mm_set1_epi16(1));
    __m128i wrong = _mm_cmpgt_epi32(_mm_loadu_si128((const __m128i *)shape->least), digits);
    wrong = _mm_or_si128(wrong, _mm_cmpgt_epi32(digits, _mm_set1_epi32(255)));
    if (_mm_movemask_epi8(wrong))
        return 0;
    digits = _mm_packs_epi32(digits, digits);
    *out = (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(digits, digits));
    return 1;
}

/* Bit i set: byte i is not a digit's value. */
static inline uint32_t netpol_no_digits(__m128i digits)
{
    __m128i ten = _mm_set1_epi8(10);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(digits, ten), digits));
}

/* Length of the address at `p`, where 16 bytes are readable, 0 if there is none; what follows it is
 * not a digit. */
static inline unsigned netpol_ipv4(const uint8_t *p, uint32_t *out)
{
    __m128i text = _mm_loadu_si128((const __m128i *)p);
    __m128i digits = _mm_sub_epi8(text, _mm_set1_epi8('0'));
    uint32_t marks = netpol_no_digits(digits);
    uint32_t dots = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8('.')));
    uint32_t last = marks & (marks - 1);
    last &= last - 1;
    last &= last - 1;
    last &= 0u - last; /* the fourth of them */
    marks &= last | (last - 1);
    if (((dots ^ marks) & (last - 1)) || !netpol_ipv4_value(digits, marks, out))
        return 0;
    return (unsigned)__builtin_ctz(last);
}

/* Whether the `length` bytes at `p`, where 16 are readable, are an address. */
static inline int netpol_ipv4_sized(const uint8_t *p, uint64_t length, uint32_t *out)
{
    if (length > 15)
        return 0;
    __m128i text = _mm_loadu_si128((const __m128i *)p);
    __m128i digits = _mm_sub_epi8(text, _mm_set1_epi8('0'));
    uint32_t end = 1u << length;
    uint32_t marks = netpol_no_digits(digits) & (end - 1);
    uint32_t dots = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8('.')));
    return (dots & (end - 1)) == marks && netpol_ipv4_value(digits, marks | end, out);
}
#else
#define NETPOL_HAS_IPV4 0 /* private */
static void netpol_ipv4_init(void) {}
static inline unsigned netpol_ipv4(const uint8_t *p, uint32_t *out)
{
    (void)p, (void)out;
    return 0;
}
static inline int netpol_ipv4_sized(const uint8_t *p, uint64_t length, uint32_t *out)
{
    (void)p, (void)length, (void)out;
    return 0;
}
#endif

#endif
