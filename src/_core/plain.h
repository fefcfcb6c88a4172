/* Plain pairs of a block of flows, 16 at a time: what Cython cannot express (AVX-512, the CPU's).
 *
 * plain.pyx does the same portably and defines the answers; tests compare both.
 */
#ifndef NETPOL_PLAIN_H
#define NETPOL_PLAIN_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "portability.h"

enum { /* private */
    NETPOL_BLOCK = 1024, /* flows; buffers of a block stay in the first-level cache */
    NETPOL_PAGE_CELL_SHIFT = 6,
};

enum { /* = netpol.compiler.layout.Record as NETPOL_RECORD_* */
    NETPOL_RECORD_CELLS = 0,
    NETPOL_RECORD_RUNS = 1,
    NETPOL_RECORD_COLUMN = 2,
    NETPOL_RECORD_MAP = 3,
};

enum { /* = netpol.compiler.layout as NETPOL_* */
    NETPOL_RECORD_COLUMNS = 4,
    NETPOL_RECORD_COLUMN_MASK = 0xffffff,
    NETPOL_RECORD_FLAG_SHIFT = 24,
    NETPOL_RECORD_MAP_MASK = 0xffff,
    NETPOL_RECORD_NODE_SHIFT = 16,
    NETPOL_UNKNOWN_NODE = 0xffff,
    NETPOL_PAGE_CELLS = 1 << NETPOL_PAGE_CELL_SHIFT,
    NETPOL_PORTS = 65536, /* of each of TCP, UDP and SCTP in port_lookup */
    NETPOL_OTHER_PORTS = 3 * NETPOL_PORTS,
    NETPOL_NO_PORT = 256,
    NETPOL_PORT_PLACES = NETPOL_OTHER_PORTS + 2 * NETPOL_NO_PORT,
    NETPOL_CELL_VERDICT_SHIFT = 30,
    NETPOL_CELL_DECISION_MASK = (1 << NETPOL_CELL_VERDICT_SHIFT) - 1,
};
#define NETPOL_NO_COLUMN 0xffffffffu /* = netpol.compiler.layout.NO_COLUMN */

enum { /* = netpol.compiler.layout.EndpointFlag as NETPOL_IS_* */
    NETPOL_IS_POD = 1,
    NETPOL_IS_NODE = 2,
    NETPOL_IS_LOOPBACK = 4,
    NETPOL_IS_AMBIGUOUS = 8,
    NETPOL_IS_SERVICE = 16,
    NETPOL_IS_TIMED = 32,
    NETPOL_IS_ALONE = 64,
    NETPOL_IS_NOTED = 128,
};

enum { /* private: flags as they stand in a record */
    NETPOL_RECORD_POD = NETPOL_IS_POD << NETPOL_RECORD_FLAG_SHIFT,
    NETPOL_RECORD_NODE = NETPOL_IS_NODE << NETPOL_RECORD_FLAG_SHIFT,
    NETPOL_RECORD_SERVICE = NETPOL_IS_SERVICE << NETPOL_RECORD_FLAG_SHIFT,
    NETPOL_RECORD_ALONE = /* never a plain pair */
        (NETPOL_IS_LOOPBACK | NETPOL_IS_AMBIGUOUS | NETPOL_IS_ALONE) << NETPOL_RECORD_FLAG_SHIFT,
};

enum { /* private: why a record's further columns may take it off the plain path */
    NETPOL_EXTRA = 1,
    NETPOL_TRANSLATED = 2, /* only if the destination is a pod */
    NETPOL_DIALLED = 4, /* only if it is none: another address or port was dialled */
};

typedef struct { /* tables, as netpol.compiler.pack.tables.LAYOUT describes them */
    const uint32_t *v4_root;
    const uint32_t *v4_blocks;
    const uint32_t *src_records;
    const uint32_t *dst_records;
    const uint32_t *egress_index;
    const uint32_t *ingress_index;
    const void *pages;
    const uint32_t *runs;
    const void *maps;
    const void *ports;
    uint32_t classes;
    uint32_t egress_own; /* column of the own node, NETPOL_NO_COLUMN where it is not exempt, */
    uint32_t ingress_own;
    uint32_t egress_own_mask; /* plus these bits of the node's own column */
    uint32_t ingress_own_mask;
    uint32_t narrow; /* pages are bytes, maps and ports uint16; else uint16, uint32 and uint32 */
} netpol_plain;

typedef struct { /* columns of one block; dport_known and extra may be NULL */
    const uint8_t *protocol;
    const uint16_t *dport;
    const uint8_t *dport_known;
    const uint8_t *extra;
    const uint32_t *src; /* endpoints */
    const uint32_t *dst;
    uint32_t *egress; /* decisions */
    uint32_t *ingress;
    uint8_t *verdict;
    /* NETPOL_RECORD_POD if two pods of one node may be one pod: 16-byte addresses */
    uint32_t both_pods;
} netpol_block;

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <cpuid.h>
#include <immintrin.h>

#define NETPOL_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,popcnt")))
#define NETPOL_ALL(value) _mm512_set1_epi32((int)(value))

/* Whether gathers pay: the kernel below is 1.6 times the portable one on a Sapphire Rapids core, and
 * 1.3 times on a Zen 4 core though AMD's gathers are slow. Intel's cores before have gathers slowed by
 * microcode (Downfall), so AVX512-FP16, which came with Sapphire Rapids, is asked for beside what
 * is used; of AMD's, only the family measured is taken. */
static int netpol_gathers_pay(void) {
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 27)))
        return 0;
    const unsigned family = (a >> 8 & 15) == 15 ? 15 + (a >> 20 & 255) : a >> 8 & 15;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 0xe6) != 0xe6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    const unsigned used = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31);
    const int has_fp16 = d >> 23 & 1, has_used = (b & used) == used;
    __get_cpuid(0, &a, &b, &c, &d);
    const int is_zen4 = c == 0x444d4163 && family == 0x19; /* AuthentiCAMD */
    return has_used && (has_fp16 || is_zen4);
}

NETPOL_AVX512 static inline __m512i netpol_gather16(const void *table, __m512i index) {
    /* The aligned word that holds the entry: nothing beyond the table's last word is read. */
    __m512i word = _mm512_i32gather_epi32(_mm512_srli_epi32(index, 1), table, 4);
    __m512i shift = _mm512_slli_epi32(_mm512_and_si512(index, NETPOL_ALL(1)), 4);
    return _mm512_and_si512(_mm512_srlv_epi32(word, shift), NETPOL_ALL(0xffff));
}

NETPOL_AVX512 static inline __m512i netpol_gather8(const void *table, __m512i index) {
    __m512i word = _mm512_i32gather_epi32(_mm512_srli_epi32(index, 2), table, 4);
    __m512i shift = _mm512_slli_epi32(_mm512_and_si512(index, NETPOL_ALL(3)), 3);
    return _mm512_and_si512(_mm512_srlv_epi32(word, shift), NETPOL_ALL(0xff));
}

NETPOL_AVX512 static inline __m512i netpol_trie(const netpol_plain *t, __m512i a) {
    const __m512i low8 = NETPOL_ALL(0xff);
    __m512i e = _mm512_i32gather_epi32(_mm512_srli_epi32(a, 16), t->v4_root, 4);
    __m512i next = _mm512_and_si512(_mm512_srli_epi32(a, 8), low8);
    next = _mm512_or_si512(_mm512_slli_epi32(e, 8), next);
    e = _mm512_mask_i32gather_epi32(e, _mm512_movepi32_mask(e), next, t->v4_blocks, 4);
    next = _mm512_or_si512(_mm512_slli_epi32(e, 8), _mm512_and_si512(a, low8));
    return _mm512_mask_i32gather_epi32(e, _mm512_movepi32_mask(e), next, t->v4_blocks, 4);
}

/* Two chains of three dependent gathers at a time. */
NETPOL_AVX512 static void netpol_resolve_avx512(
    const netpol_plain *t, const uint32_t *addresses, size_t count, const uint32_t *records,
    uint32_t *out) {
    size_t i;
    int k;
    for (i = 0; i + 32 <= count; i += 32) {
        __m512i a = netpol_trie(t, _mm512_loadu_si512(addresses + i));
        __m512i b = netpol_trie(t, _mm512_loadu_si512(addresses + i + 16));
        _mm512_storeu_si512(out + i, a);
        _mm512_storeu_si512(out + i + 16, b);
        for (k = 0; k < 32; k++)
            NETPOL_PREFETCH(records + NETPOL_RECORD_COLUMNS * (size_t)out[i + k]);
    }
    if (i < count)
        _mm512_storeu_si512(out + i, netpol_trie(t, _mm512_loadu_si512(addresses + i)));
}

#define NETPOL_FOUR(k)                                                                        \
    _mm512_inserti32x4(                                                                       \
        _mm512_inserti32x4(                                                                   \
            _mm512_inserti32x4(                                                               \
                _mm512_castsi128_si512(_mm_loadu_si128(NETPOL_RECORD(k))),                    \
                _mm_loadu_si128(NETPOL_RECORD(k + 4)), 1),                                    \
            _mm_loadu_si128(NETPOL_RECORD(k + 8)), 2),                                        \
        _mm_loadu_si128(NETPOL_RECORD(k + 12)), 3)
#define NETPOL_RECORD(k) ((const __m128i *)(records + NETPOL_RECORD_COLUMNS * (size_t)endpoints[k]))

/* 16 records of four words, turned into four vectors: a third of the time of four gathers. */
NETPOL_AVX512 static inline void netpol_records(
    const uint32_t *records, const uint32_t *endpoints, __m512i out[4]) {
    __m512i r0 = NETPOL_FOUR(0), r1 = NETPOL_FOUR(1), r2 = NETPOL_FOUR(2), r3 = NETPOL_FOUR(3);
    __m512i a = _mm512_unpacklo_epi32(r0, r1), b = _mm512_unpackhi_epi32(r0, r1);
    __m512i c = _mm512_unpacklo_epi32(r2, r3), d = _mm512_unpackhi_epi32(r2, r3);
    out[0] = _mm512_unpacklo_epi64(a, c);
    out[1] = _mm512_unpackhi_epi64(a, c);
    out[2] = _mm512_unpacklo_epi64(b, d);
    out[3] = _mm512_unpackhi_epi64(b, d);
}

NETPOL_AVX512 static inline __m512i netpol_port_classes(
    const netpol_plain *t, const netpol_block *f, size_t i, int narrow) {
    __m512i protocol = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(f->protocol + i)));
    __m512i port = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(f->dport + i)));
    __m512i place = _mm512_add_epi32(protocol, NETPOL_ALL(NETPOL_OTHER_PORTS));
    __mmask16 known = 0xffff;
    if (f->dport_known != NULL) {
        __m128i flags = _mm_loadu_si128((const __m128i *)(f->dport_known + i));
        known = _mm_test_epi8_mask(flags, flags);
        place = _mm512_mask_add_epi32(place, (__mmask16)~known, place, NETPOL_ALL(NETPOL_NO_PORT));
    }
    place = _mm512_mask_mov_epi32(
        place, _mm512_mask_cmpeq_epi32_mask(known, protocol, NETPOL_ALL(6)), port);
    place = _mm512_mask_add_epi32(
        place, _mm512_mask_cmpeq_epi32_mask(known, protocol, NETPOL_ALL(17)), port,
        NETPOL_ALL(NETPOL_PORTS));
    place = _mm512_mask_add_epi32(
        place, _mm512_mask_cmpeq_epi32_mask(known, protocol, NETPOL_ALL(132)), port,
        NETPOL_ALL(2 * NETPOL_PORTS));
    return narrow ? netpol_gather16(t->ports, place)
                  : _mm512_i32gather_epi32(place, t->ports, 4);
}

/* Rows that are not a plain pair, or may not be: plain.pyx tells why, in may_be_special. */
NETPOL_AVX512 static inline __mmask16 netpol_special(
    const netpol_block *f, size_t i, __m512i src_flags, __m512i dst_flags, __mmask16 same_node) {
    __m512i either = _mm512_or_si512(src_flags, dst_flags);
    __m512i both = _mm512_and_si512(src_flags, dst_flags);
    __mmask16 same = _mm512_cmpeq_epi32_mask(
        _mm512_loadu_si512(f->src + i), _mm512_loadu_si512(f->dst + i));
    __mmask16 found = _mm512_test_epi32_mask(either, NETPOL_ALL(NETPOL_RECORD_ALONE));
    found |= _mm512_test_epi32_mask(dst_flags, NETPOL_ALL(NETPOL_RECORD_SERVICE));
    found |= _mm512_mask_test_epi32_mask(same, src_flags, NETPOL_ALL(NETPOL_RECORD_POD));
    found |= _mm512_mask_test_epi32_mask(same_node, both, NETPOL_ALL(f->both_pods));
    if (f->extra != NULL) {
        __m128i extra = _mm_loadu_si128((const __m128i *)(f->extra + i));
        found |= _mm_test_epi8_mask(extra, _mm_set1_epi8(NETPOL_EXTRA));
        found |= _mm512_mask_test_epi32_mask(
            _mm_test_epi8_mask(extra, _mm_set1_epi8(NETPOL_TRANSLATED)), dst_flags,
            NETPOL_ALL(NETPOL_RECORD_POD));
        found |= _mm512_mask_testn_epi32_mask(
            _mm_test_epi8_mask(extra, _mm_set1_epi8(NETPOL_DIALLED)), dst_flags,
            NETPOL_ALL(NETPOL_RECORD_POD));
    }
    return found;
}

/* Where cells are in the pages that the index names for them. */
NETPOL_AVX512 static inline __m512i netpol_in_page(
    const uint32_t *index, __m512i cell, __m512i in_page) {
    __m512i page =
        _mm512_i32gather_epi32(_mm512_srli_epi32(cell, NETPOL_PAGE_CELL_SHIFT), index, 4);
    return _mm512_or_si512(
        _mm512_slli_epi32(page, NETPOL_PAGE_CELL_SHIFT), _mm512_and_si512(cell, in_page));
}

NETPOL_AVX512 static inline size_t netpol_plain_rows(
    const netpol_plain *t, const netpol_block *f, size_t count, uint32_t *special,
    const int narrow) {
    uint32_t egress_cell[NETPOL_BLOCK] __attribute__((aligned(64)));
    uint32_t ingress_cell[NETPOL_BLOCK] __attribute__((aligned(64)));
    uint32_t *egress_run = f->egress, *ingress_run = f->ingress;
    const char *pages = (const char *)t->pages;
    const __m512i column_mask = NETPOL_ALL(NETPOL_RECORD_COLUMN_MASK);
    const __m512i map_mask = NETPOL_ALL(NETPOL_RECORD_MAP_MASK);
    const __m512i node = NETPOL_ALL(NETPOL_RECORD_NODE);
    const __m512i in_page = NETPOL_ALL(NETPOL_PAGE_CELLS - 1);
    const __mmask16 egress_exempt = t->egress_own != NETPOL_NO_COLUMN ? 0xffff : 0;
    const __mmask16 ingress_exempt = t->ingress_own != NETPOL_NO_COLUMN ? 0xffff : 0;
    const __m512i egress_mask = NETPOL_ALL(t->egress_own_mask);
    const __m512i ingress_mask = NETPOL_ALL(t->ingress_own_mask);
    const __m512i lanes =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    size_t i, found = 0;
    int k;
    for (i = 0; i < count; i += 16) { /* records to cells and runs */
        __m512i s[NETPOL_RECORD_COLUMNS], d[NETPOL_RECORD_COLUMNS];
        __m512i class_ = netpol_port_classes(t, f, i, narrow);
        netpol_records(t->src_records, f->src + i, s);
        netpol_records(t->dst_records, f->dst + i, d);
        const __m512i src_word = s[NETPOL_RECORD_COLUMN], dst_word = d[NETPOL_RECORD_COLUMN];
        const __m512i src_map = s[NETPOL_RECORD_MAP], dst_map = d[NETPOL_RECORD_MAP];
        __mmask16 same_node = _mm512_testn_epi32_mask(
            _mm512_xor_si512(src_map, dst_map), NETPOL_ALL(~NETPOL_RECORD_MAP_MASK));
        __m512i egress = _mm512_and_si512(dst_word, column_mask);
        __m512i ingress = _mm512_and_si512(src_word, column_mask);
        egress = _mm512_mask_add_epi32(
            egress, _mm512_mask_test_epi32_mask(same_node & egress_exempt, dst_word, node),
            _mm512_and_si512(egress, egress_mask), NETPOL_ALL(t->egress_own));
        ingress = _mm512_mask_add_epi32(
            ingress, _mm512_mask_test_epi32_mask(same_node & ingress_exempt, src_word, node),
            _mm512_and_si512(ingress, ingress_mask), NETPOL_ALL(t->ingress_own));
        _mm512_store_si512(egress_cell + i, _mm512_add_epi32(s[NETPOL_RECORD_CELLS], egress));
        _mm512_store_si512(ingress_cell + i, _mm512_add_epi32(d[NETPOL_RECORD_CELLS], ingress));
        for (k = 0; k < 16; k++) {
            NETPOL_PREFETCH(t->egress_index + (egress_cell[i + k] >> NETPOL_PAGE_CELL_SHIFT));
            NETPOL_PREFETCH(t->ingress_index + (ingress_cell[i + k] >> NETPOL_PAGE_CELL_SHIFT));
        }
        __m512i classes = NETPOL_ALL(t->classes);
        __m512i map = _mm512_mullo_epi32(_mm512_and_si512(src_map, map_mask), classes);
        map = _mm512_add_epi32(map, class_);
        map = narrow ? netpol_gather16(t->maps, map) : _mm512_i32gather_epi32(map, t->maps, 4);
        _mm512_storeu_si512(egress_run + i, _mm512_add_epi32(s[NETPOL_RECORD_RUNS], map));
        map = _mm512_mullo_epi32(_mm512_and_si512(dst_map, map_mask), classes);
        map = _mm512_add_epi32(map, class_);
        map = narrow ? netpol_gather16(t->maps, map) : _mm512_i32gather_epi32(map, t->maps, 4);
        _mm512_storeu_si512(ingress_run + i, _mm512_add_epi32(d[NETPOL_RECORD_RUNS], map));
        __mmask16 odd = netpol_special(f, i, src_word, dst_word, same_node);
        __m512i rows = _mm512_add_epi32(lanes, NETPOL_ALL(i));
        _mm512_storeu_si512(special + found, _mm512_maskz_compress_epi32(odd, rows));
        found += (size_t)__builtin_popcount(odd);
    }
    for (i = 0; i < count; i += 16) { /* pages */
        __m512i e = _mm512_load_si512(egress_cell + i), g = _mm512_load_si512(ingress_cell + i);
        e = netpol_in_page(t->egress_index, e, in_page);
        g = netpol_in_page(t->ingress_index, g, in_page);
        _mm512_store_si512(egress_cell + i, e);
        _mm512_store_si512(ingress_cell + i, g);
        for (k = 0; k < 16; k++) {
            NETPOL_PREFETCH(pages + ((size_t)egress_cell[i + k] << !narrow));
            NETPOL_PREFETCH(pages + ((size_t)ingress_cell[i + k] << !narrow));
        }
    }
    for (i = 0; i < count; i += 16) { /* cells */
        __m512i e = _mm512_load_si512(egress_cell + i), g = _mm512_load_si512(ingress_cell + i);
        e = narrow ? netpol_gather8(pages, e) : netpol_gather16(pages, e);
        g = narrow ? netpol_gather8(pages, g) : netpol_gather16(pages, g);
        e = _mm512_add_epi32(e, _mm512_loadu_si512(egress_run + i));
        g = _mm512_add_epi32(g, _mm512_loadu_si512(ingress_run + i));
        _mm512_storeu_si512(egress_run + i, e);
        _mm512_storeu_si512(ingress_run + i, g);
        for (k = 0; k < 16; k++) {
            NETPOL_PREFETCH(t->runs + egress_run[i + k]);
            NETPOL_PREFETCH(t->runs + ingress_run[i + k]);
        }
    }
    for (i = 0; i < count; i += 16) { /* decisions; deny (1) beats unknown (2) beats allow (C5) */
        __m512i decision = NETPOL_ALL(NETPOL_CELL_DECISION_MASK), verdict;
        __m512i e = _mm512_i32gather_epi32(_mm512_loadu_si512(egress_run + i), t->runs, 4);
        __m512i g = _mm512_i32gather_epi32(_mm512_loadu_si512(ingress_run + i), t->runs, 4);
        _mm512_storeu_si512(egress_run + i, _mm512_and_si512(e, decision));
        _mm512_storeu_si512(ingress_run + i, _mm512_and_si512(g, decision));
        verdict = _mm512_srli_epi32(_mm512_or_si512(e, g), NETPOL_CELL_VERDICT_SHIFT);
        verdict = _mm512_mask_mov_epi32(
            verdict, _mm512_test_epi32_mask(verdict, NETPOL_ALL(1)), NETPOL_ALL(1));
        _mm_storeu_si128((__m128i *)(f->verdict + i), _mm512_cvtepi32_epi8(verdict));
    }
    return found;
}

NETPOL_AVX512 static size_t netpol_plain_avx512(
    const netpol_plain *t, const netpol_block *f, size_t count, uint32_t *special) {
    return t->narrow ? netpol_plain_rows(t, f, count, special, 1)
                     : netpol_plain_rows(t, f, count, special, 0);
}
#else
static int netpol_gathers_pay(void) { return 0; }
static void netpol_resolve_avx512(
    const netpol_plain *t, const uint32_t *addresses, size_t count, const uint32_t *records,
    uint32_t *out) {
    (void)t, (void)addresses, (void)count, (void)records, (void)out;
}
static size_t netpol_plain_avx512(
    const netpol_plain *t, const netpol_block *f, size_t count, uint32_t *special) {
    (void)t, (void)f, (void)count, (void)special;
    return 0;
}
#endif

/* NETPOL_SIMD=off keeps to the portable kernels. */
static int netpol_use_avx512(void) {
    const char *wanted = getenv("NETPOL_SIMD");
    if (wanted != NULL && strcmp(wanted, "off") == 0)
        return 0;
    return netpol_gathers_pay();
}

#endif
