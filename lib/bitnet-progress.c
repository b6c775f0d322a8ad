/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetProgress as a boxed type. */
#include "bitnet-progress.h"

G_DEFINE_BOXED_TYPE (
    BitnetProgress, bitnet_progress, bitnet_progress_copy, bitnet_progress_free)

GType
bitnet_phase_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
      {BITNET_PHASE_QUERYING, "BITNET_PHASE_QUERYING", "querying"},
      {BITNET_PHASE_WAITING, "BITNET_PHASE_WAITING", "waiting"},
      {BITNET_PHASE_DOWNLOADING, "BITNET_PHASE_DOWNLOADING", "downloading"},
      {BITNET_PHASE_VERIFYING, "BITNET_PHASE_VERIFYING", "verifying"},
      {BITNET_PHASE_LOADING, "BITNET_PHASE_LOADING", "loading"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("BitnetPhase", values));
  return type;
}

BitnetProgress *
bitnet_progress_copy (const BitnetProgress *self)
{
  BitnetProgress *copy;

  g_return_val_if_fail (self != NULL, NULL);
  copy = g_memdup2 (self, sizeof *self);
  copy->repository = g_strdup (self->repository);
  copy->revision = g_strdup (self->revision);
  copy->file = g_strdup (self->file);
  return copy;
}

void
bitnet_progress_free (BitnetProgress *self)
{
  if (self == NULL)
    return;
  g_free (self->repository);
  g_free (self->revision);
  g_free (self->file);
  g_free (self);
}
