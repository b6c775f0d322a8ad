/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encoding tensors for bitnet synth and bitnet quantize: which types can be
 * written, which one fits a shape, and writing a tensor a few rows at a time
 * so that memory does not grow with the model. */
#pragma once

#include "bn-gguf.h"

/* Whether there is an encoder for type. */
gboolean tool_type_is_writable (BnType type);
/* "F32, F16, …" */
char *tool_list_writable_types (void);
/* By name in any case, or a message that lists the types. */
gboolean tool_parse_type (const char *name, BnType *type, GError **error);

/* -1, 0, +1 with a scale. */
gboolean tool_type_is_ternary (BnType type);

/* The type that a matrix with rows of n_cols gets where type is wanted: type,
 * or the next best whose blocks divide the row. */
BnType tool_fit_type (BnType type, uint64_t n_cols);

/* What the output and embedding matrices get where nobody says: float types
 * stay, all others become Q8_0. */
BnType tool_head_type (BnType type);

/* The value of general.file_type for a model mostly of type. */
uint32_t tool_file_type (BnType type);

/* A job that shows progress once it takes a while, and ends early on Ctrl-C. */
typedef struct {
  const char *label;
  uint64_t done;
  uint64_t total;
  int64_t started_us;
} ToolJob;

/* From here on Ctrl-C makes tool_job_advance() fail instead of ending the
 * process, so that unfinished files are removed. */
void tool_job_begin (ToolJob *self, const char *label, uint64_t total);
/* FALSE with G_IO_ERROR_CANCELLED after Ctrl-C. */
gboolean tool_job_advance (ToolJob *self, uint64_t n, GError **error);
/* The exit status of a command that stopped with error; prints it. */
int tool_job_fail (const char *command, const GError *error);

/* Fills n_rows rows of floats, beginning with first_row. */
typedef gboolean (*ToolFillRows) (float *rows, uint64_t first_row,
    uint32_t n_rows, gpointer data, GError **error);

/* A matrix to be written; n_cols fits the type. */
typedef struct {
  BnType type;
  uint32_t n_cols;
  uint64_t n_rows;
  float i2s_scale; /* of I2_S: each weight becomes -1, 0 or 1 times this */
  ToolFillRows fill;
  gpointer data;
} ToolTensor;

/* Writes the data of the tensor that is next in writer; the job advances by
 * its elements. */
gboolean tool_write_tensor (BnGgufWriter *writer, const ToolTensor *tensor,
    ToolJob *job, GError **error);
