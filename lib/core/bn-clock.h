/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Clocks of the system in nanoseconds. Read so often that a call counts. */
#pragma once

#include <stdint.h>
#include <time.h>

/* 0 where there is no such clock. */
static inline uint64_t
bn_clock_read (clockid_t clock)
{
  struct timespec now;

  if (clock_gettime (clock, &now) != 0)
    return 0;
  return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

/* Time since some moment in the past; nobody sets this clock. */
static inline uint64_t
bn_clock_now (void)
{
  return bn_clock_read (CLOCK_MONOTONIC);
}
