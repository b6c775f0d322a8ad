/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loops of probe.h. The compiler makes one of each for every width of
 * vectors, so that the reads and not the instructions are what takes time. */
#define _GNU_SOURCE /* MAP_ANONYMOUS, MADV_HUGEPAGE */
#include "probe.h"

#include <string.h>
#include <sys/mman.h>

enum {
  N_LANES = 64, /* independent sums, enough to hide the latency */
  ROW_LINES = 640 / 64,
  TILE_ROWS = 4,
};

/* Which of them is chosen before sanitizers are ready for anything. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#endif

#if defined(__x86_64__) && !defined(HAS_SANITIZER)
#define ANY_LEVEL __attribute__ ((target_clones ("avx512f", "avx2", "default")))
#else
#define ANY_LEVEL
#endif

/* A cache line; the compiler makes it of what the level has. */
typedef uint64_t Line __attribute__ ((vector_size (64)));

uint8_t *
probe_alloc (size_t size)
{
  void *bytes = mmap (
      NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (bytes == MAP_FAILED)
    return NULL;
#ifdef MADV_HUGEPAGE
  madvise (bytes, size, MADV_HUGEPAGE);
#endif
  memset (bytes, 1, size);
  return bytes;
}

void
probe_free (uint8_t *bytes, size_t size)
{
  munmap (bytes, size);
}

ANY_LEVEL static uint64_t
read_words (const uint8_t *bytes, size_t size)
{
  const uint64_t *words = (const void *) bytes;
  const size_t n_words = size / sizeof *words;
  uint64_t lanes[N_LANES] = {0}, sum = 0;

  for (size_t i = 0; i + N_LANES <= n_words; i += N_LANES) {
    for (size_t lane = 0; lane < N_LANES; lane++)
      lanes[lane] += words[i + lane];
  }
  for (size_t lane = 0; lane < N_LANES; lane++)
    sum += lanes[lane];
  return sum;
}

ANY_LEVEL static uint64_t
read_tiles (const uint8_t *bytes, size_t size)
{
  const Line *line = (const void *) bytes;
  const Line *end = line + size / sizeof *line;
  Line sums[TILE_ROWS] = {0};
  uint64_t sum = 0;

  for (; line + TILE_ROWS * ROW_LINES <= end; line += TILE_ROWS * ROW_LINES) {
    for (size_t at = 0; at < ROW_LINES; at++) {
      for (size_t row = 0; row < TILE_ROWS; row++)
        sums[row] ^= line[row * ROW_LINES + at];
    }
  }
  for (size_t row = 0; row < TILE_ROWS; row++)
    sum += sums[row][0];
  return sum;
}

uint64_t
probe_read (const uint8_t *bytes, size_t size)
{
  return read_words (bytes, size);
}

uint64_t
probe_stream (const uint8_t *bytes, size_t size)
{
  return read_tiles (bytes, size);
}
