/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Temporary folders of a test. */
#pragma once

#include <gio/gio.h>

/* (transfer full) */
char *test_folder_new (void);
/* With all that is in it, links not followed; frees path. */
void test_folder_remove (char *path);
/* Writes text to a file below folder, folders on the way are made. Returns its
 * path (transfer full). */
char *test_folder_write (
    const char *folder, const char *name, const void *data, gssize size);
/* Number of regular files below it. */
guint test_folder_count (const char *folder);
