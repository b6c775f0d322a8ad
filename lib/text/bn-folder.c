/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Folders on disk. */
#include "bn-folder.h"

#include <string.h>
#include <sys/stat.h>

#define NS_PER_SECOND INT64_C (1000000000)

static gboolean
open_on_disk (
    const BnFolder *folder, const char *name, BnOpenFile *file, GError **error)
{
  const BnDiskFolder *self = (const BnDiskFolder *) folder;
  g_autofree char *path = g_build_filename (self->path, name, NULL);

  return bn_file_open (file, path, error);
}

static int64_t
to_ns (struct timespec time)
{
  return (int64_t) time.tv_sec * NS_PER_SECOND + time.tv_nsec;
}

/* The time that the system sets with every change is part of it: whoever puts
 * the other one back makes another file of it. */
gboolean
bn_file_identity_init (BnFileIdentity *identity, const char *path)
{
  struct stat info;
  uint64_t numbers[5];

  if (stat (path, &info) != 0 || !S_ISREG (info.st_mode))
    return FALSE;
  numbers[0] = info.st_dev;
  numbers[1] = info.st_ino;
  numbers[2] = (uint64_t) info.st_size;
  numbers[3] = (uint64_t) to_ns (info.st_mtim);
  numbers[4] = (uint64_t) to_ns (info.st_ctim);
  *identity = (BnFileIdentity){.n_bytes = sizeof numbers,
      .size = (guint64) info.st_size,
      .changed_ns = MAX (to_ns (info.st_mtim), to_ns (info.st_ctim))};
  memcpy (identity->bytes, numbers, sizeof numbers);
  return TRUE;
}

static gboolean
identify_on_disk (
    const BnFolder *folder, const char *name, BnFileIdentity *identity)
{
  const BnDiskFolder *self = (const BnDiskFolder *) folder;
  g_autofree char *path = g_build_filename (self->path, name, NULL);

  return bn_file_identity_init (identity, path);
}

void
bn_disk_folder_init (BnDiskFolder *self, const char *path)
{
  *self = (BnDiskFolder){{path, open_on_disk, identify_on_disk}, path};
}
