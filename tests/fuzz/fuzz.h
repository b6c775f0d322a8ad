/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a fuzz target defines, for libFuzzer and for replay.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Takes any bytes; returns 0. Aborts, or trips a sanitizer, on a defect. */
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
