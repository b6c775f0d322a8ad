/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Encoding of tensors, shared by bitnet synth and bitnet quantize. */
#include "tool-tensor.h"

#include <math.h>
#include <signal.h>
#include <string.h>

#include "bitnet-error.h"
#include "bitnet-tool.h"
#include "bn-kernels.h"

enum {
  SLAB_ELEMENTS = 1 << 20, /* encoded at a time, at least one row */
  QUIET_US = 500 * 1000,   /* a shorter job shows no progress */
  MAX_THREADS = 16,
  I2_S_COLS = 128, /* rows of I2_S are a multiple of this */
};

/* Every type with an encoder. fallback: for rows its blocks do not divide,
 * about as precise, in blocks of 32 or none at all. */
static const struct {
  BnType type;
  BnType fallback;
  uint32_t file_type; /* gguf.md section 12 */
} writable[] = {
    {BN_TYPE_F32, BN_TYPE_F32, 0},
    {BN_TYPE_F16, BN_TYPE_F16, 1},
    {BN_TYPE_BF16, BN_TYPE_BF16, 32},
    {BN_TYPE_Q4_0, BN_TYPE_F16, 2},
    {BN_TYPE_Q4_1, BN_TYPE_F16, 3},
    {BN_TYPE_Q5_0, BN_TYPE_F16, 8},
    {BN_TYPE_Q5_1, BN_TYPE_F16, 9},
    {BN_TYPE_Q8_0, BN_TYPE_F16, 7},
    {BN_TYPE_Q2_K, BN_TYPE_Q4_0, 10},
    {BN_TYPE_Q3_K, BN_TYPE_Q4_0, 11},
    {BN_TYPE_Q4_K, BN_TYPE_Q5_0, 14},
    {BN_TYPE_Q5_K, BN_TYPE_Q5_1, 16},
    {BN_TYPE_Q6_K, BN_TYPE_Q8_0, 18},
    {BN_TYPE_TQ1_0, BN_TYPE_Q8_0, 36},
    {BN_TYPE_TQ2_0, BN_TYPE_Q8_0, 37},
    {BN_TYPE_I2_S, BN_TYPE_Q8_0, 40},
    {BN_TYPE_IQ1_BN, BN_TYPE_Q8_0, 136},
    {BN_TYPE_IQ2_BN, BN_TYPE_Q8_0, 137},
};

static int
find_writable (BnType type)
{
  for (gsize i = 0; i < G_N_ELEMENTS (writable); i++) {
    if (writable[i].type == type)
      return (int) i;
  }
  return -1;
}

gboolean
tool_type_is_writable (BnType type)
{
  return find_writable (type) >= 0;
}

char *
tool_list_writable_types (void)
{
  GString *list = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (writable); i++)
    g_string_append_printf (
        list, "%s%s", i ? ", " : "", bn_type_info (writable[i].type)->name);
  return g_string_free (list, FALSE);
}

gboolean
tool_parse_type (const char *name, BnType *type, GError **error)
{
  const BnTypeInfo *info = bn_type_info_by_name (name);
  g_autofree char *list = NULL;

  if (info && tool_type_is_writable (info->type)) {
    *type = info->type;
    return TRUE;
  }
  list = tool_list_writable_types ();
  g_set_error (error, BITNET_ERROR, BITNET_ERROR_INVALID_ARGUMENT,
      "found type \"%s\", expected one of %s", name, list);
  return FALSE;
}

gboolean
tool_type_is_ternary (BnType type)
{
  switch (type) {
    case BN_TYPE_I2_S:
    case BN_TYPE_TL1:
    case BN_TYPE_TL2:
    case BN_TYPE_TQ1_0:
    case BN_TYPE_TQ2_0:
    case BN_TYPE_IQ1_BN:
    case BN_TYPE_IQ2_BN:
      return TRUE;
    default:
      return FALSE;
  }
}

BnType
tool_fit_type (BnType type, uint64_t n_cols)
{
  for (;;) {
    uint64_t unit =
        type == BN_TYPE_I2_S ? I2_S_COLS : bn_type_info (type)->block_elements;

    if (n_cols % unit == 0)
      return type;
    type = writable[find_writable (type)].fallback;
  }
}

BnType
tool_head_type (BnType type)
{
  gboolean is_float =
      type == BN_TYPE_F32 || type == BN_TYPE_F16 || type == BN_TYPE_BF16;

  return is_float ? type : BN_TYPE_Q8_0;
}

uint32_t
tool_file_type (BnType type)
{
  return writable[find_writable (type)].file_type;
}

static volatile sig_atomic_t is_interrupted;

static void
on_interrupt (int number)
{
  is_interrupted = 1;
}

void
tool_job_begin (ToolJob *self, const char *label, uint64_t total)
{
  struct sigaction action = {.sa_handler = on_interrupt};

  *self = (ToolJob){
      .label = label, .total = total, .started_us = g_get_monotonic_time ()};
  sigaction (SIGINT, &action, NULL);
  sigaction (SIGTERM, &action, NULL);
}

gboolean
tool_job_advance (ToolJob *self, uint64_t n, GError **error)
{
  self->done += n;
  if (g_get_monotonic_time () - self->started_us > QUIET_US)
    tool_progress (self->done, self->total, (gpointer) self->label);
  if (!is_interrupted)
    return TRUE;
  g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "interrupted");
  return FALSE;
}

int
tool_job_fail (const char *command, const GError *error)
{
  tool_fail (command, "%s", error->message);
  return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)
             ? EXIT_INTERRUPTED
             : EXIT_FAILED;
}

/* The nearest of -1, 0, 1 times scale, as codes 0, 1, 2. */
static void
round_to_codes (uint8_t *codes, const float *rows, size_t n, float scale)
{
  const float half = scale / 2;

  for (size_t i = 0; i < n; i++)
    codes[i] = (uint8_t) (1 + (rows[i] > half) - (rows[i] < -half));
}

/* The rows of an I2_S tensor are one run of blocks with a tail at its end, so
 * a slab is packed like a tensor and its tail left out. */
static gboolean
write_i2_s_slab (BnGgufWriter *writer, const ToolTensor *tensor,
    const float *rows, uint32_t n_rows, gboolean is_last, uint8_t *out,
    GError **error)
{
  size_t n = (size_t) n_rows * tensor->n_cols;
  g_autofree uint8_t *codes = g_malloc (n);
  size_t size =
      (size_t) bn_type_tensor_size (BN_TYPE_I2_S, tensor->n_cols, n_rows);

  round_to_codes (codes, rows, n, tensor->i2s_scale);
  bn_i2s_pack (out, codes, n_rows, tensor->n_cols, BN_I2S_A, tensor->i2s_scale);
  return bn_gguf_writer_write (writer, out, is_last ? size : n / 4, error);
}

/* The rows of a slab that one thread encodes. */
typedef struct {
  const ToolTensor *tensor;
  const float *rows;
  uint8_t *out;
  uint32_t begin;
  uint32_t end;
} Share;

static gpointer
encode_share (gpointer data)
{
  const Share *share = data;
  const ToolTensor *tensor = share->tensor;
  BnQuantizeRow quantize = bn_quantize_row_get (tensor->type);
  size_t row_size =
      (size_t) bn_type_tensor_size (tensor->type, tensor->n_cols, 1);

  for (uint32_t i = share->begin; i < share->end; i++)
    quantize (share->out + i * row_size,
        share->rows + (size_t) i * tensor->n_cols, tensor->n_cols);
  return NULL;
}

/* Rows are encoded apart from each other, so threads change no byte. */
static gboolean
write_slab (BnGgufWriter *writer, const ToolTensor *tensor, const float *rows,
    uint32_t n_rows, uint8_t *out, GError **error)
{
  uint32_t n_threads = MIN (g_get_num_processors (), MAX_THREADS);
  Share shares[MAX_THREADS];
  GThread *threads[MAX_THREADS];
  size_t row_size =
      (size_t) bn_type_tensor_size (tensor->type, tensor->n_cols, 1);

  n_threads = MIN (n_threads, n_rows);
  for (uint32_t i = 0; i < n_threads; i++) {
    shares[i] = (Share){tensor, rows, out,
        (uint32_t) ((uint64_t) n_rows * i / n_threads),
        (uint32_t) ((uint64_t) n_rows * (i + 1) / n_threads)};
    threads[i] =
        i > 0 ? g_thread_new ("encode", encode_share, &shares[i]) : NULL;
  }
  encode_share (&shares[0]);
  for (uint32_t i = 1; i < n_threads; i++)
    g_thread_join (threads[i]);
  return bn_gguf_writer_write (writer, out, n_rows * row_size, error);
}

gboolean
tool_write_tensor (BnGgufWriter *writer, const ToolTensor *tensor, ToolJob *job,
    GError **error)
{
  uint32_t slab_rows = MAX (SLAB_ELEMENTS / tensor->n_cols, 1);
  g_autofree float *rows = NULL;
  g_autofree uint8_t *out = NULL;

  slab_rows = (uint32_t) MIN (slab_rows, tensor->n_rows);
  rows = g_new (float, (size_t) slab_rows * tensor->n_cols);
  out = g_malloc (
      (size_t) bn_type_tensor_size (tensor->type, tensor->n_cols, slab_rows));
  for (uint64_t row = 0; row < tensor->n_rows;) {
    uint32_t n = (uint32_t) MIN (slab_rows, tensor->n_rows - row);
    gboolean is_last = row + n == tensor->n_rows;

    if (!tensor->fill (rows, row, n, tensor->data, error))
      return FALSE;
    if (tensor->type == BN_TYPE_I2_S
            ? !write_i2_s_slab (writer, tensor, rows, n, is_last, out, error)
            : !write_slab (writer, tensor, rows, n, out, error))
      return FALSE;
    if (!tool_job_advance (job, (uint64_t) n * tensor->n_cols, error))
      return FALSE;
    row += n;
  }
  return TRUE;
}
