/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a quantization asks of a device. Ids do not depend on it; speed, and
 * whether it runs at all, do.
 *
 *   format          x86-64      arm64       GPU
 *   I2_S            yes         yes         no: GPUs pack two bits otherwise
 *   TL1             repacked    yes         no
 *   TL2             yes         repacked    no
 *   IQ1_BN, IQ2_BN  yes         yes         repacked
 *   TQ1_0, TQ2_0    yes         yes         repacked
 *
 * TL1 and TL2 are tables for the instructions of one kind of processor. This
 * library takes the weights out of them when it loads a model, so that the
 * other kind runs it, too, but gains nothing from the format. */
#include "bn-validate.h"

#include <string.h>

/* Where tables of a format grow beyond what they were made for. */
enum {
  I2_S_MANY_TOKENS = 200000,
  TL_MANY_TOKENS = 65536,
};

typedef enum {
  DEVICE_X86_64,
  DEVICE_ARM64,
  DEVICE_GPU,
  N_DEVICES,
  DEVICE_OTHER,
} Device;

typedef enum {
  RUNS,
  RUNS_REPACKED,
  DOES_NOT_RUN,
} Support;

static const struct {
  const char *quantization;
  Support support[N_DEVICES];
  guint many_tokens; /* 0: any number */
} formats[] = {
    {"I2_S", {RUNS, RUNS, DOES_NOT_RUN}, I2_S_MANY_TOKENS},
    {"TL1", {RUNS_REPACKED, RUNS, DOES_NOT_RUN}, TL_MANY_TOKENS},
    {"TL2", {RUNS, RUNS_REPACKED, DOES_NOT_RUN}, TL_MANY_TOKENS},
    {"IQ1_BN", {RUNS, RUNS, RUNS_REPACKED}, 0},
    {"IQ2_BN", {RUNS, RUNS, RUNS_REPACKED}, 0},
    {"TQ1_0", {RUNS, RUNS, RUNS_REPACKED}, 0},
    {"TQ2_0", {RUNS, RUNS, RUNS_REPACKED}, 0},
};

static const char *const device_names[] = {"x86-64", "arm64", "a GPU"};

/* A processor may be named to ask for one that is not here. */
static Device
find_device (const char *name)
{
  if (name == NULL || strcmp (name, "auto") == 0 || strcmp (name, "cpu") == 0) {
#if defined(__x86_64__)
    return DEVICE_X86_64;
#elif defined(__aarch64__)
    return DEVICE_ARM64;
#else
    return DEVICE_OTHER;
#endif
  }
  if (strcmp (name, "cpu:x86-64") == 0)
    return DEVICE_X86_64;
  if (strcmp (name, "cpu:arm64") == 0)
    return DEVICE_ARM64;
  return strcmp (name, "gpu") == 0 || g_str_has_prefix (name, "cuda")
             ? DEVICE_GPU
             : DEVICE_OTHER;
}

char *
bn_check_quantization (BitnetDiscovery *discovery, const char *device_name,
    gboolean *is_unsupported)
{
  const char *quantization = bitnet_discovery_get_quantization (discovery);
  guint n_rows = bitnet_discovery_get_n_rows (discovery);
  Device device = find_device (device_name);
  Support support = RUNS;
  gsize i = 0;

  *is_unsupported = FALSE;
  while (
      i < G_N_ELEMENTS (formats)
      && (quantization == NULL
          || g_ascii_strcasecmp (formats[i].quantization, quantization) != 0))
    i++;
  if (i == G_N_ELEMENTS (formats))
    return NULL;
  if (device < N_DEVICES)
    support = formats[i].support[device];
  if (support == DOES_NOT_RUN) {
    *is_unsupported = TRUE;
    return g_strdup_printf ("%s does not run on %s; use the device \"cpu\"",
        formats[i].quantization, device_names[device]);
  }
  if (support == RUNS_REPACKED)
    return g_strdup_printf (
        "%s is not made for %s and is repacked when the model is loaded",
        formats[i].quantization, device_names[device]);
  if (formats[i].many_tokens > 0 && n_rows > formats[i].many_tokens)
    return g_strdup_printf (
        "%s with %u tokens: more than %u make its output layer slow",
        formats[i].quantization, n_rows, formats[i].many_tokens);
  return NULL;
}
