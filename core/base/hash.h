/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4) for identity, CRC32C (RFC 3720 B.4) for torn writes, FNV-1a 64
 * for stable small hashes (stream ids), SipHash for keyed ones. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t h[8];
    uint64_t bytes;
    uint8_t block[64];
    void (*compress)(uint32_t s[8], const uint8_t *p, size_t blocks);
};
/* Sets compress to the fastest that this processor has. */
void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t n);
void sha256_finish(struct sha256 *s, uint8_t out[32]);
/* The one that every processor has. */
void sha256_plain(uint32_t s[8], const uint8_t *p, size_t blocks);
void sha256_hex(const uint8_t digest[32], char out[65]);

/* CRC32C of `data`, continued from `crc` (0 at the start), with the instructions of
 * this processor where it has them. crc32c.c */
uint32_t crc32c(uint32_t crc, const void *data, size_t n);
/* The same without them. */
uint32_t crc32c_plain(uint32_t crc, const void *data, size_t n);

uint64_t fnv1a(const void *data, size_t n);

/* 128 bits that tell rows apart; not for identity that anybody may attack, and not
 * stored: two lanes of 64x64 -> 128 bit products, folded. Zero-initialised is a start.
 * hash128.c */
struct hash128 {
    uint64_t a, b;
};
void hash128_add(struct hash128 *h, const void *data, size_t n);

/* SipHash-2-4 of `data` under a key of 128 bits. siphash.c */
uint64_t siphash(const uint64_t key[2], const void *data, size_t n);

#endif
