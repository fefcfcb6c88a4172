/* Word-at-a-time digit handling: what Cython cannot express without copying bytes.
 *
 * Words are as netpol_load64 gives them: the first byte of text is the lowest.
 */
#ifndef NETPOL_DIGITS_H
#define NETPOL_DIGITS_H

#include <stdint.h>

#include "portability.h"

#if defined(__SSE4_1__)
#include <smmintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* Index of the first byte of `word` that is not a digit, 8 if all are. A carry out of a byte that
 * is no digit may spoil the bytes above it, never those below, and only the lowest is asked for. */
static inline unsigned netpol_digit_run8(uint64_t word)
{
    uint64_t t = word ^ 0x3030303030303030u;
    uint64_t other = ((t + 0x7676767676767676u) | t) & 0x8080808080808080u;
    return other ? (unsigned)__builtin_ctzll(other) >> 3 : 8;
}

/* The same, 7 if more than that are. That spares a branch: callers of this read no numbers of 8
 * digits. */
static inline unsigned netpol_digit_run7(uint64_t word)
{
    uint64_t t = word ^ 0x3030303030303030u;
    uint64_t other = (t + 0x7676767676767676u) | t;
    return (unsigned)__builtin_ctzll((other & 0x8080808080808080u) | (uint64_t)1 << 63) >> 3;
}

/* Value of the first `len` (1..8) digits of `word`. */
static inline uint64_t netpol_digits8(uint64_t word, unsigned len)
{
    word = (word << (64 - 8 * len)) & 0x0f0f0f0f0f0f0f0fu;
    word = (word * 10 + (word >> 8)) & 0x00ff00ff00ff00ffu;
    word = (word * 100 + (word >> 16)) & 0x0000ffff0000ffffu;
    return (word * 10000 + (word >> 32)) & 0xffffffffu;
}

/* Values of the first digits (1..8) of two words: one chain of multiplications for both. */
static inline void netpol_two_digits8(
    uint64_t a, unsigned a_len, uint64_t b, unsigned b_len, uint64_t *a_out, uint64_t *b_out)
{
#if defined(__SSE4_1__)
    __m128i t = _mm_insert_epi64(
        _mm_cvtsi64_si128((long long)(a << (64 - 8 * a_len))), (long long)(b << (64 - 8 * b_len)), 1);
    t = _mm_and_si128(t, _mm_set1_epi8(15));
    t = _mm_maddubs_epi16(t, _mm_set1_epi16(0x010a));
    t = _mm_madd_epi16(t, _mm_set1_epi32(0x00010064));
    t = _mm_packus_epi32(t, t);
    t = _mm_madd_epi16(t, _mm_set1_epi32(0x00012710));
    uint64_t both = (uint64_t)_mm_cvtsi128_si64(t);
    *a_out = both & 0xffffffffu;
    *b_out = both >> 32;
#else
    *a_out = netpol_digits8(a, a_len);
    *b_out = netpol_digits8(b, b_len);
#endif
}

/* Value of the first `len` (1..3) digits of the four bytes at `p`. */
static inline uint32_t netpol_octet(const uint8_t *p, unsigned len)
{
    uint32_t word = (netpol_load32(p) << (32 - 8 * len)) & 0x0f0f0f0fu;
    word = (word * 10 + (word >> 8)) & 0x00ff00ffu;
    return (word * 100 + (word >> 16)) & 0xffffu;
}

/* Bit i set: byte i of the 16 bytes at `p` is not a digit. */
static inline uint32_t netpol_other16(const uint8_t *p)
{
#if defined(__SSE2__)
    __m128i t = _mm_sub_epi8(_mm_loadu_si128((const __m128i *)p), _mm_set1_epi8('0'));
    __m128i ten = _mm_set1_epi8(10);
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(t, ten), t));
#elif defined(__aarch64__)
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t other = vcgeq_u8(vsubq_u8(vld1q_u8(p), vdupq_n_u8('0')), vdupq_n_u8(10));
    uint8x16_t bits = vandq_u8(other, vld1q_u8(weights));
    return (uint32_t)vaddv_u8(vget_low_u8(bits)) | (uint32_t)vaddv_u8(vget_high_u8(bits)) << 8;
#else
    uint32_t mask = 0;
    for (unsigned i = 0; i < 16; i++)
        mask |= (uint32_t)((uint8_t)(p[i] - '0') > 9) << i;
    return mask;
#endif
}

static inline unsigned netpol_lowest_bit(uint32_t word)
{
    return (unsigned)__builtin_ctz(word);
}

#endif
