/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetEngineOptions and the enums in it. */
#include "bitnet-engine.h"

#include <string.h>

#include "bitnet-error.h"
#include "bitnet-private.h"

#define MAX_THREADS 1024
#define MAX_CONTEXT_SIZE (1 << 24)
#define MAX_BATCH_SIZE 65536
#define MAX_SEQUENCES 256
#define MIN_DRAFTS -1
#define MAX_DRAFTS 16

G_DEFINE_BOXED_TYPE (BitnetEngineOptions, bitnet_engine_options,
    bitnet_engine_options_copy, bitnet_engine_options_free)

GType
bitnet_repack_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
      {BITNET_REPACK_AUTO, "BITNET_REPACK_AUTO", "auto"},
      {BITNET_REPACK_NEVER, "BITNET_REPACK_NEVER", "never"},
      {BITNET_REPACK_ALWAYS, "BITNET_REPACK_ALWAYS", "always"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("BitnetRepack", values));
  return type;
}

GType
bitnet_i2s_layout_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
      {BITNET_I2S_LAYOUT_A, "BITNET_I2S_LAYOUT_A", "a"},
      {BITNET_I2S_LAYOUT_B, "BITNET_I2S_LAYOUT_B", "b"},
      {BITNET_I2S_LAYOUT_C, "BITNET_I2S_LAYOUT_C", "c"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (
        &type, g_enum_register_static ("BitnetI2sLayout", values));
  return type;
}

GType
bitnet_cache_type_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
      {BITNET_CACHE_TYPE_F16, "BITNET_CACHE_TYPE_F16", "f16"},
      {BITNET_CACHE_TYPE_Q8_0, "BITNET_CACHE_TYPE_Q8_0", "q8_0"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (
        &type, g_enum_register_static ("BitnetCacheType", values));
  return type;
}

GType
bitnet_head_get_type (void)
{
  static gsize type = 0;
  static const GEnumValue values[] = {
      {BITNET_HEAD_AUTO, "BITNET_HEAD_AUTO", "auto"},
      {BITNET_HEAD_FILE, "BITNET_HEAD_FILE", "file"},
      {BITNET_HEAD_Q8_0, "BITNET_HEAD_Q8_0", "q8_0"},
      {BITNET_HEAD_Q6_K, "BITNET_HEAD_Q6_K", "q6_k"},
      {BITNET_HEAD_SCREENED, "BITNET_HEAD_SCREENED", "screened"},
      {0, NULL, NULL},
  };

  if (g_once_init_enter (&type))
    g_once_init_leave (&type, g_enum_register_static ("BitnetHead", values));
  return type;
}

BitnetEngineOptions *
bitnet_engine_options_new (void)
{
  return g_new0 (BitnetEngineOptions, 1);
}

BitnetEngineOptions *
bitnet_engine_options_copy (const BitnetEngineOptions *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  BitnetEngineOptions *copy = g_memdup2 (self, sizeof *self);
  copy->device = g_strdup (self->device);
  return copy;
}

void
bitnet_engine_options_free (BitnetEngineOptions *self)
{
  if (self == NULL)
    return;
  g_free (self->device);
  g_free (self);
}

/* "cuda" or "cuda:N" */
static gboolean
is_cuda (const char *device)
{
  if (!g_str_has_prefix (device, "cuda"))
    return FALSE;
  device += strlen ("cuda");
  return device[0] == '\0'
         || (device[0] == ':'
             && g_ascii_string_to_unsigned (
                 device + 1, 10, 0, G_MAXUINT16, NULL, NULL));
}

const char *
bitnet_engine_options_resolve_device (
    const BitnetEngineOptions *self, GError **error)
{
  const char *device = self->device;

  if (device == NULL || strcmp (device, "auto") == 0
      || strcmp (device, "cpu") == 0)
    return "cpu";
  if (is_cuda (device))
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_DEVICE,
        "device \"%s\" cannot be used: this version has no CUDA backend, "
        "expected auto or cpu",
        device);
  else
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "device is \"%s\", expected auto, cpu, cuda or cuda:N", device);
  return NULL;
}

gboolean
bitnet_engine_options_validate (const BitnetEngineOptions *self, GError **error)
{
  const struct {
    const char *name;
    guint value, max;
  } limits[] = {
      {"threads", self->n_threads, MAX_THREADS},
      {"context-size", self->context_size, MAX_CONTEXT_SIZE},
      {"batch-size", self->batch_size, MAX_BATCH_SIZE},
      {"sequences", self->n_sequences, MAX_SEQUENCES},
      {"repack", self->repack, BITNET_REPACK_ALWAYS},
      {"i2s-layout", self->i2s_layout, BITNET_I2S_LAYOUT_C},
      {"cache-type", self->cache_type, BITNET_CACHE_TYPE_Q8_0},
      {"head", self->head, BITNET_HEAD_SCREENED},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (limits); i++) {
    if (limits[i].value > limits[i].max) {
      g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
          "%s is %u, expected 0 to %u", limits[i].name, limits[i].value,
          limits[i].max);
      return FALSE;
    }
  }
  if (self->drafts < MIN_DRAFTS || self->drafts > MAX_DRAFTS) {
    g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
        "drafts is %d, expected %d to %d", self->drafts, MIN_DRAFTS,
        MAX_DRAFTS);
    return FALSE;
  }
  return TRUE;
}
