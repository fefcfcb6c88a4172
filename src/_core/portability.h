/* What compilers and machines differ in: hints, and the order of bytes.
 *
 * C names of the core begin with netpol_ or NETPOL_; Cython declares them without.
 */
#ifndef NETPOL_PORTABILITY_H
#define NETPOL_PORTABILITY_H

#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
#define NETPOL_PREFETCH(address) __builtin_prefetch((address), 0, 3)
#define NETPOL_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#define NETPOL_PREFETCH(address) ((void)0)
#define NETPOL_UNLIKELY(condition) (condition)
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define NETPOL_LITTLE32(word) __builtin_bswap32(word)
#define NETPOL_LITTLE64(word) __builtin_bswap64(word)
#define NETPOL_BIG64(word) (word)
#else
#define NETPOL_LITTLE32(word) (word)
#define NETPOL_LITTLE64(word) (word)
#define NETPOL_BIG64(word) __builtin_bswap64(word)
#endif

/* Eight bytes in network order. */
static inline uint64_t netpol_be64(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return NETPOL_BIG64(word);
}

/* Bytes of which the first is the lowest. */
static inline uint64_t netpol_load64(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
    return NETPOL_LITTLE64(word);
}

static inline uint32_t netpol_load32(const uint8_t *p)
{
    uint32_t word;
    memcpy(&word, p, 4);
    return NETPOL_LITTLE32(word);
}

#endif
