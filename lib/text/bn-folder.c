/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Folders on disk. */
#include "bn-folder.h"

#include <string.h>
#include <sys/stat.h>

static gboolean
open_on_disk (
    const BnFolder *folder, const char *name, BnOpenFile *file, GError **error)
{
  const BnDiskFolder *self = (const BnDiskFolder *) folder;
  g_autofree char *path = g_build_filename (self->path, name, NULL);

  return bn_file_open (file, path, error);
}

/* The time that the system sets with every change is part of it: whoever puts
 * the other one back makes another file of it. */
gboolean
bn_file_identity_init (BnFileIdentity *identity, const char *path)
{
  struct stat info;
  BnFileState state;

  if (stat (path, &info) != 0 || !S_ISREG (info.st_mode))
    return FALSE;
  state = bn_file_get_state (&info);
  *identity = (BnFileIdentity){.n_bytes = sizeof state,
      .size = state.size,
      .changed_ns = MAX (state.mtime_ns, state.ctime_ns)};
  memcpy (identity->bytes, &state, sizeof state);
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
