/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers from /proc and /sys. root stands in front of every path: "", or a
 * folder that a test has made. */
#pragma once

#include <glib.h>
#include <stdint.h>

/* The number at the begin of a file. FALSE if there is no such file or no
 * number. */
gboolean bn_system_read_number (const char *root, uint64_t *number,
    const char *format, ...) G_GNUC_PRINTF (3, 4);
/* Two of them with a space between. */
gboolean bn_system_read_numbers (const char *root, uint64_t *first,
    uint64_t *second, const char *format, ...) G_GNUC_PRINTF (4, 5);
/* The number behind name, which begins a line of a file, and blanks. */
gboolean bn_system_read_field (const char *root, uint64_t *number,
    const char *name, const char *format, ...) G_GNUC_PRINTF (4, 5);

/* Folders of the control groups of this process that limit a resource, from
 * its own group up to the top: those of version 2, then those of the
 * controller of version 1. */
GStrv bn_system_list_groups (const char *root, const char *controller);
