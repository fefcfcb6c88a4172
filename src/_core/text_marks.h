/* Fields found by where "=" stands, and numbers whose ends are known: what Cython cannot express.
 *
 * Reading field after field, each waits for the length of the one before; from the positions of "="
 * they are independent of each other. Needs SSE4.1, which every x86-64-v2 processor has; elsewhere
 * NETPOL_HAS_MARKS is 0 and the caller reads field after field.
 */
#ifndef NETPOL_TEXT_MARKS_H
#define NETPOL_TEXT_MARKS_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE4_1__)
#define NETPOL_HAS_MARKS 1 /* private */
#include <smmintrin.h>

/* Bit i set: byte i of the 64 bytes at `p` is "=". */
static inline uint64_t netpol_equals64(const uint8_t *p)
{
    const __m128i equals = _mm_set1_epi8('=');
    const __m128i *from = (const __m128i *)p;
    uint64_t a = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(from), equals));
    uint64_t b = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(from + 1), equals));
    uint64_t c = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(from + 2), equals));
    uint64_t d = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(from + 3), equals));
    return (a | b << 16) | (c << 32 | d << 48);
}

/* The 8 bytes at each place, wherever these are: _mm_load_sd wants them aligned. As doubles, because
 * their loads are the two instructions movsd and movhpd. */
static inline __m128i netpol_two_words(const void *low, const void *high)
{
    double a, b;
    memcpy(&a, low, 8);
    memcpy(&b, high, 8);
    return _mm_castpd_si128(_mm_set_pd(b, a));
}

/* By length: all ones in the last bytes of a word. */
static const uint64_t netpol_last_bytes[9] = {
    0, 0xffull << 56, 0xffffull << 48, 0xffffffull << 40, 0xffffffffull << 32,
    0xffffffffffull << 24, 0xffffffffffffull << 16, 0xffffffffffffffull << 8, ~0ull,
};

/* Values of two numbers of 1 to 8 digits that end before `a_end` and `b_end`, where 8 bytes before
 * each are readable; 0 if one has another length or something else than digits. */
static inline int netpol_two_numbers(
    const uint8_t *a_end, uint64_t a_len, const uint8_t *b_end, uint64_t b_len,
    uint64_t *a_out, uint64_t *b_out)
{
    if (((a_len - 1) | (b_len - 1)) > 7)
        return 0;
    __m128i t = netpol_two_words(a_end - 8, b_end - 8);
    __m128i keep = netpol_two_words(&netpol_last_bytes[a_len], &netpol_last_bytes[b_len]);
    t = _mm_and_si128(_mm_sub_epi8(t, _mm_set1_epi8('0')), keep);
    __m128i other = _mm_subs_epu8(t, _mm_set1_epi8(9));
    if (!_mm_testz_si128(other, other))
        return 0;
    t = _mm_maddubs_epi16(t, _mm_set1_epi16(0x010a));
    t = _mm_madd_epi16(t, _mm_set1_epi32(0x00010064));
    t = _mm_packus_epi32(t, t);
    t = _mm_madd_epi16(t, _mm_set1_epi32(0x00012710));
    uint64_t both = (uint64_t)_mm_cvtsi128_si64(t);
    *a_out = both & 0xffffffffu;
    *b_out = both >> 32;
    return 1;
}
#else
#define NETPOL_HAS_MARKS 0 /* private */
static inline uint64_t netpol_equals64(const uint8_t *p)
{
    (void)p;
    return 0;
}
static inline int netpol_two_numbers(
    const uint8_t *a_end, uint64_t a_len, const uint8_t *b_end, uint64_t b_len,
    uint64_t *a_out, uint64_t *b_out)
{
    (void)a_end, (void)a_len, (void)b_end, (void)b_len, (void)a_out, (void)b_out;
    return 0;
}
#endif

static inline uint64_t netpol_first_mark(uint64_t marks)
{
    return (uint64_t)__builtin_ctzll(marks);
}

#endif
