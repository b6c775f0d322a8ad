/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the subcommands share that compute without a pipeline. */
#pragma once

#include <bitnet/bitnet.h>

/* Options of an engine as the command line has them; NULL where not given. */
typedef struct {
  char *model;
  char *device;
  char *repack;
  char *i2s_layout;
  char *cache_type;
  char *head;
} ToolEngineArgs;

/* Their entries for tool_parse_options(). */
#define TOOL_ENGINE_ENTRIES(args)                                              \
  {"model", 'm', 0, G_OPTION_ARG_FILENAME, &(args).model,                      \
      "Model file; without it the demo model", "FILE"},                        \
      {"device", 0, 0, G_OPTION_ARG_STRING, &(args).device,                    \
          "auto, cpu, cuda or cuda:N [auto]", "D"},                            \
      {"repack", 0, 0, G_OPTION_ARG_STRING, &(args).repack,                    \
          "Rearrange weights: auto, never, always [auto]", "R"},               \
      {"cache-type", 0, 0, G_OPTION_ARG_STRING, &(args).cache_type,            \
          "Hold keys and values as: f16, q8_0 [f16]", "T"},                    \
      {"head", 0, 0, G_OPTION_ARG_STRING, &(args).head,                        \
          "Hold the output matrix as: auto, file, q8_0, q6_k, screened "       \
          "[auto]",                                                            \
          "H"},                                                                \
  {                                                                            \
    "i2s-layout", 0, 0, G_OPTION_ARG_STRING, &(args).i2s_layout,               \
        "Element order of I2_S tensors: a, b, c [a]", "L"                      \
  }

void tool_engine_args_clear (ToolEngineArgs *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (ToolEngineArgs, tool_engine_args_clear)

/* Opens the model; default: the demo model. */
BitnetModel *tool_engine_open_model (
    const ToolEngineArgs *self, GCancellable *cancellable, GError **error);

/* Engine options with device, repack and layout set. Error:
 * BITNET_ERROR_INVALID_ARGUMENT, which is a wrong command line. */
BitnetEngineOptions *tool_engine_make_options (
    const ToolEngineArgs *self, GError **error);

/* Loads with a progress bar on stderr. */
gboolean tool_engine_load (
    BitnetEngine *engine, GCancellable *cancellable, GError **error);

/* A cancellable that Ctrl-C and SIGTERM cancel; a second Ctrl-C kills. To be
 * called once, by the main thread. */
GCancellable *tool_watch_interrupt (void);

/* Prints the error and says with what status to exit. */
int tool_engine_fail (const char *command, const GError *error);
