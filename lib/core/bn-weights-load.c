/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks and packs what bn-weights.c has bound.
 *
 * The work is cut into jobs of some rows of a matrix, claimed by all threads
 * of the backend in the order of the list. A job reads its rows once: it looks
 * for numbers that are not finite and codes that mean nothing, and, if the
 * matrix is packed, packs the rows while they are in the cache. A job that
 * finds something writes it down; of several the first in the list is
 * reported, whatever thread found it when. */
#include "bitnet-error.h"
#include "bn-weights-private.h"

#include <math.h>
#include <string.h>

enum {
  JOB_ELEMENTS = 256 << 10, /* some 100 microseconds */
  PROGRESS_INTERVAL_US = 100 * 1000,
  NO_JOB = G_MAXINT,
};

typedef enum {
  FINDING_NONE,
  FINDING_NOT_FINITE, /* at offset */
  FINDING_CODE,       /* at offset */
  FINDING_SHAPE,      /* no known arrangement of the type fits the shape */
  FINDING_TOO_LARGE,  /* for what it is converted to; at offset */
} Finding;

typedef struct {
  BnBoundMatrix *matrix;
  uint32_t row_begin;
  uint32_t row_end;
  Finding finding;
  uint64_t offset; /* in the tensor */
} Job;

typedef struct {
  BnLoader *loader;
  Job *jobs;
  int first_bad; /* index of a job, or NO_JOB; atomic */
  gsize n_done;  /* bytes; atomic */
  uint64_t n_total;
  int64_t last_report_us; /* worker 0 */
  size_t codes_size;
  size_t n_scales;
  uint8_t *codes; /* codes_size for each worker */
  float *scales;  /* n_scales for each worker */
} Loading;

/* Where the scales of a block are: half floats. */
static const struct {
  BnType type;
  uint8_t offsets[2];
  uint8_t n_offsets;
} block_scales[] = {
    {BN_TYPE_Q4_0, {0}, 1},
    {BN_TYPE_Q4_1, {0, 2}, 2},
    {BN_TYPE_Q5_0, {0}, 1},
    {BN_TYPE_Q5_1, {0, 2}, 2},
    {BN_TYPE_Q8_0, {0}, 1},
    {BN_TYPE_Q2_K, {80, 82}, 2},
    {BN_TYPE_Q3_K, {108}, 1},
    {BN_TYPE_Q4_K, {0, 2}, 2},
    {BN_TYPE_Q5_K, {0, 2}, 2},
    {BN_TYPE_Q6_K, {208}, 1},
    {BN_TYPE_TQ1_0, {52}, 1},
    {BN_TYPE_TQ2_0, {64}, 1},
};

#define F16_EXPONENT 0x7c00u
#define BF16_EXPONENT 0x7f80u
#define F32_EXPONENT 0x7f800000u

static gboolean
is_bad_u16 (const uint8_t *at, uint16_t exponent)
{
  uint16_t bits;

  memcpy (&bits, at, sizeof bits);
  return (bits & exponent) == exponent;
}

static gboolean
is_bad_f32 (const uint8_t *at)
{
  uint32_t bits;

  memcpy (&bits, at, sizeof bits);
  return (bits & F32_EXPONENT) == F32_EXPONENT;
}

/* Index of the first of n numbers that is not finite, or n. The first loop
 * has no exit so that the compiler makes vectors of it. */
static size_t
find_bad_u16 (const uint8_t *data, size_t n, uint16_t exponent)
{
  size_t i = 0;
  int n_bad = 0;

  for (size_t j = 0; j < n; j++)
    n_bad |= is_bad_u16 (data + 2 * j, exponent);
  if (n_bad == 0)
    return n;
  while (!is_bad_u16 (data + 2 * i, exponent))
    i++;
  return i;
}

static size_t
find_bad_f32 (const uint8_t *data, size_t n)
{
  size_t i = 0;
  int n_bad = 0;

  for (size_t j = 0; j < n; j++)
    n_bad |= is_bad_f32 (data + 4 * j);
  if (n_bad == 0)
    return n;
  while (!is_bad_f32 (data + 4 * i))
    i++;
  return i;
}

/* TRUE if size bytes at data, whole rows of a row-wise type, have a scale that
 * is not finite; then *offset is where. */
static gboolean
find_not_finite (
    BnType type, const uint8_t *data, size_t size, uint64_t *offset)
{
  const size_t block_size = bn_type_info (type)->block_size;
  size_t at;

  switch (type) {
    case BN_TYPE_F32:
      at = find_bad_f32 (data, size / 4) * 4;
      break;
    case BN_TYPE_F16:
      at = find_bad_u16 (data, size / 2, F16_EXPONENT) * 2;
      break;
    case BN_TYPE_BF16:
      at = find_bad_u16 (data, size / 2, BF16_EXPONENT) * 2;
      break;
    default:
      for (size_t i = 0; i < G_N_ELEMENTS (block_scales); i++) {
        if (block_scales[i].type != type)
          continue;
        for (at = 0; at < size; at += block_size) {
          for (int k = 0; k < block_scales[i].n_offsets; k++) {
            *offset = at + block_scales[i].offsets[k];
            if (is_bad_u16 (data + *offset, F16_EXPONENT))
              return TRUE;
          }
        }
      }
      return FALSE;
  }
  *offset = at;
  return at < size;
}

void
bn_loader_read_vector (
    BnLoader *self, float *values, const BnGgufTensor *tensor, uint32_t n)
{
  uint64_t offset;

  if (find_not_finite (tensor->type, tensor->data, tensor->size, &offset)) {
    bn_loader_fail_tensor (self, BITNET_ERROR_NUMERIC, tensor, offset,
        "found NaN or infinity, expected a finite number");
    memset (values, 0, n * sizeof *values);
    return;
  }
  bn_dequantize_row_get (tensor->type) (values, tensor->data, n);
}

/* Jobs */

static gboolean
is_spread (BnType type)
{
  return type == BN_TYPE_I2_S || type == BN_TYPE_TL1 || type == BN_TYPE_TL2;
}

static int
unpack_spread (
    const BnLoader *loader, uint8_t *codes, const Job *job, size_t *bad)
{
  const BnBoundMatrix *matrix = job->matrix;
  const void *data = matrix->tensor->data;

  switch (matrix->tensor->type) {
    case BN_TYPE_I2_S:
      return bn_i2s_unpack (codes, data, matrix->n_rows, matrix->n_cols,
          job->row_begin, job->row_end, loader->i2s_layout, bad);
    case BN_TYPE_TL1:
      return bn_tl1_unpack (codes, data, matrix->n_rows, matrix->n_cols,
          job->row_begin, job->row_end, bad);
    default:
      return bn_tl2_unpack (codes, data, matrix->n_rows, matrix->n_cols,
          job->row_begin, job->row_end, bad);
  }
}

/* The one scale of a tensor, for each row of a job. */
static void
set_tensor_scale (Job *job, float *scales)
{
  const BnBoundMatrix *matrix = job->matrix;
  const BnGgufTensor *tensor = matrix->tensor;
  const float scale = bn_ternary_tensor_scale (
      tensor->type, tensor->data, matrix->n_rows, matrix->n_cols);

  for (uint32_t i = 0; i < job->row_end - job->row_begin; i++)
    scales[i] = scale;
  if (!isfinite (scale)) {
    job->finding = FINDING_NOT_FINITE;
    job->offset = tensor->size - bn_type_info (tensor->type)->tensor_tail;
  }
}

/* Codes and row scales of a job's rows; FALSE with a finding. */
static gboolean
unpack_rows (const BnLoader *loader, Job *job, uint8_t *codes, float *scales)
{
  const BnBoundMatrix *matrix = job->matrix;
  const BnGgufTensor *tensor = matrix->tensor;
  const uint32_t n_rows = job->row_end - job->row_begin;
  const size_t row_size = tensor->size / matrix->n_rows;
  size_t bad = 0;
  int status = 0;

  if (is_spread (tensor->type)) {
    status = unpack_spread (loader, codes, job, &bad);
    job->offset = bad;
    if (status == 0)
      set_tensor_scale (job, scales);
  } else {
    for (uint32_t i = 0; i < n_rows && status == 0; i++) {
      job->offset = (job->row_begin + i) * (uint64_t) row_size;
      status = bn_ternary_row_unpack (codes + (size_t) i * matrix->n_cols,
          &scales[i], tensor->type, tensor->data + job->offset, matrix->n_cols);
      if (status == 0 && !isfinite (scales[i])) {
        job->finding = FINDING_NOT_FINITE;
        return FALSE;
      }
    }
  }
  if (status != 0)
    job->finding = status == -2 ? FINDING_SHAPE : FINDING_CODE;
  return job->finding == FINDING_NONE;
}

/* Codes of rows that are used where they lie are only looked at, for code 3.
 * Row scales of IQ2_BN are in front of the codes. */
static gboolean
check_file_rows (Job *job, float *scales)
{
  const BnBoundMatrix *matrix = job->matrix;
  const BnGgufTensor *tensor = matrix->tensor;
  const size_t n_codes = matrix->n_cols / 4;
  const size_t header = tensor->type == BN_TYPE_IQ2_BN ? sizeof (float) : 0;

  for (uint32_t row = job->row_begin; row < job->row_end; row++) {
    float *scale = &scales[row - job->row_begin];
    size_t bad;

    job->offset = row * (uint64_t) (header + n_codes);
    memcpy (scale, tensor->data + job->offset, header);
    if (header > 0 && !isfinite (*scale)) {
      job->finding = FINDING_NOT_FINITE;
      return FALSE;
    }
    bad = bn_i2s_find_bad (tensor->data + job->offset + header, n_codes);
    if (bad < n_codes) {
      job->finding = FINDING_CODE;
      job->offset += header > 0 ? 0 : bad;
      return FALSE;
    }
  }
  if (header == 0)
    set_tensor_scale (job, scales);
  return job->finding == FINDING_NONE;
}

static void
load_ternary_rows (Loading *self, Job *job, uint32_t worker)
{
  const BnLinear *linear = job->matrix->linear;
  const uint32_t n_rows = job->row_end - job->row_begin;
  uint8_t *codes = self->codes + worker * self->codes_size;
  float *scales = self->scales + worker * self->n_scales;
  BnBackend *backend = self->loader->weights->backend;

  if (linear != NULL && job->matrix->packed_size == 0) {
    if (!check_file_rows (job, scales))
      return;
  } else if (!unpack_rows (self->loader, job, codes, scales)
             || linear == NULL) {
    return;
  }
  for (uint32_t i = 0; i < n_rows; i++)
    scales[i] *= linear->scale;
  if (job->matrix->packed_size > 0)
    backend->ops->linear_pack (
        backend, linear, codes, job->row_begin, job->row_end);
  backend->ops->write (backend,
      (float *) linear->matrix.row_scale + job->row_begin, scales,
      n_rows * sizeof *scales);
}

/* Floats of the file in the form that is multiplied. Scratch of the worker:
 * the rows in codes; in scales a row twice, then the lengths. */
static void
convert_rows (Loading *self, Job *job, const uint8_t *rows, uint32_t worker)
{
  const BnBoundMatrix *matrix = job->matrix;
  const BnLinear *linear = matrix->linear;
  const uint32_t n_rows = job->row_end - job->row_begin;
  const size_t row_size = bn_type_tensor_size (matrix->type, matrix->n_cols, 1);
  const size_t file_row_size = matrix->tensor->size / matrix->n_rows;
  uint8_t *converted = self->codes + worker * self->codes_size;
  float *scratch = self->scales + worker * self->n_scales;
  float *norms = scratch + 2 * (size_t) matrix->n_cols;
  float *errors = norms + n_rows;
  BnBackend *backend = self->loader->weights->backend;

  for (uint32_t i = 0; i < n_rows; i++) {
    BnHeadLengths lengths;

    bn_head_convert_row (converted + i * row_size, matrix->type, &lengths,
        rows + i * file_row_size, matrix->tensor->type, matrix->n_cols,
        scratch);
    norms[i] = lengths.norm;
    errors[i] = lengths.error;
    if (matrix->screen == NULL && !isfinite (lengths.error)) {
      job->finding = FINDING_TOO_LARGE;
      job->offset = (job->row_begin + i) * (uint64_t) file_row_size;
      return;
    }
  }
  if (matrix->screen != NULL) {
    backend->ops->write (backend,
        (float *) matrix->screen->norms + job->row_begin, norms,
        n_rows * sizeof *norms);
    backend->ops->write (backend,
        (float *) matrix->screen->errors + job->row_begin, errors,
        n_rows * sizeof *errors);
  }
  if (linear->ops == NULL || linear->ops->pack != NULL)
    backend->ops->linear_pack (
        backend, linear, converted, job->row_begin, job->row_end);
  else
    backend->ops->write (backend,
        (uint8_t *) linear->matrix.data + job->row_begin * row_size, converted,
        n_rows * row_size);
}

static void
load_rows (Loading *self, Job *job, uint32_t worker)
{
  const BnBoundMatrix *matrix = job->matrix;
  const BnLinear *linear = matrix->linear;
  const BnGgufTensor *tensor = matrix->tensor;
  const size_t row_size = tensor->size / matrix->n_rows;
  const size_t begin = job->row_begin * row_size;
  const size_t size = (job->row_end - job->row_begin) * row_size;
  BnBackend *backend = self->loader->weights->backend;

  if (find_not_finite (
          tensor->type, tensor->data + begin, size, &job->offset)) {
    job->finding = FINDING_NOT_FINITE;
    job->offset += begin;
    return;
  }
  if (matrix->type != tensor->type)
    convert_rows (self, job, tensor->data + begin, worker);
  else if (linear != NULL && matrix->packed_size > 0)
    backend->ops->linear_pack (
        backend, linear, tensor->data + begin, job->row_begin, job->row_end);
}

/* Rows that are packed do not need their place in the file any more; of a
 * screened matrix the few that are read again come back. Codes of some types
 * are spread over the tensor; there the whole tensor goes when its last rows
 * are packed. */
static void
drop_packed_pages (BnLoader *self, const Job *job)
{
  BnBoundMatrix *matrix = job->matrix;
  const BnGgufTensor *tensor = matrix->tensor;
  const int n_rows = (int) (job->row_end - job->row_begin);
  const size_t row_size = tensor->size / matrix->n_rows;

  if (matrix->packed_size == 0)
    return;
  if (g_atomic_int_add (&matrix->n_rows_left, -n_rows) == n_rows)
    bn_gguf_drop_pages (self->weights->gguf, tensor, 0, tensor->size);
  else if (!is_spread (tensor->type))
    bn_gguf_drop_pages (self->weights->gguf, tensor, job->row_begin * row_size,
        n_rows * row_size);
}

static void
report_progress (Loading *self, uint64_t n_done)
{
  const int64_t now = g_get_monotonic_time ();

  if (self->loader->progress == NULL
      || (n_done < self->n_total
          && now - self->last_report_us < PROGRESS_INTERVAL_US))
    return;
  self->last_report_us = now;
  self->loader->progress (n_done, self->n_total, self->loader->progress_data);
}

static void
note_bad_job (Loading *self, int index)
{
  int first = g_atomic_int_get (&self->first_bad);

  while (index < first
         && !g_atomic_int_compare_and_exchange (&self->first_bad, first, index))
    first = g_atomic_int_get (&self->first_bad);
}

static void
run_job (Loading *self, int index, uint32_t worker)
{
  Job *job = &self->jobs[index];
  const BnBoundMatrix *matrix = job->matrix;
  const BnPack pack = matrix->linear ? matrix->linear->matrix.pack
                                     : bn_weights_pack (matrix->tensor->type);

  if (index > g_atomic_int_get (&self->first_bad)
      || g_cancellable_is_cancelled (self->loader->cancellable))
    return;
  if (bn_pack_is_ternary (pack))
    load_ternary_rows (self, job, worker);
  else
    load_rows (self, job, worker);
  if (job->finding != FINDING_NONE)
    note_bad_job (self, index);
  else
    drop_packed_pages (self->loader, job);

  g_atomic_pointer_add (&self->n_done,
      matrix->tensor->size / matrix->n_rows * (job->row_end - job->row_begin));
  if (worker == 0)
    report_progress (self,
        MIN (self->n_total - 1, (gsize) g_atomic_pointer_get (&self->n_done)));
}

static void
run_jobs (size_t begin, size_t end, uint32_t worker, void *data)
{
  for (size_t i = begin; i < end; i++)
    run_job (data, (int) i, worker);
}

static void
report_finding (BnLoader *self, const Job *job)
{
  const BnBoundMatrix *matrix = job->matrix;
  const BnGgufTensor *tensor = matrix->tensor;

  switch (job->finding) {
    case FINDING_NONE:
      break;
    case FINDING_NOT_FINITE:
      bn_loader_fail_tensor (self, BITNET_ERROR_NUMERIC, tensor, job->offset,
          "found NaN or infinity, expected a finite number");
      break;
    case FINDING_CODE:
      bn_loader_fail_tensor (self, BITNET_ERROR_CORRUPT, tensor, job->offset,
          "found a code that no %s encoder writes, expected -1, 0 or 1",
          bn_type_id_name (tensor->type));
      break;
    case FINDING_SHAPE:
      bn_loader_fail_tensor (self, BITNET_ERROR_UNSUPPORTED_QUANTIZATION,
          tensor, 0,
          "found shape [%u, %u], expected one for which the "
          "arrangement of %s is known",
          matrix->n_cols, matrix->n_rows, bn_type_id_name (tensor->type));
      break;
    case FINDING_TOO_LARGE:
      bn_loader_fail_tensor (self, BITNET_ERROR_UNSUPPORTED_QUANTIZATION,
          tensor, job->offset,
          "found a row with numbers too large for %s, expected smaller ones "
          "or head=file",
          bn_type_id_name (matrix->type));
      break;
  }
}

/* Rows of a job: some JOB_ELEMENTS, whole tiles. */
static uint32_t
job_rows (const BnBoundMatrix *matrix)
{
  const uint32_t n_tiles =
      MAX (1, JOB_ELEMENTS / matrix->n_cols / matrix->row_tile);

  return MIN (n_tiles * matrix->row_tile, JOB_ELEMENTS);
}

static GArray *
make_jobs (BnLoader *self)
{
  GArray *jobs = g_array_new (FALSE, FALSE, sizeof (Job));

  for (guint i = 0; i < self->matrices->len; i++) {
    BnBoundMatrix *matrix = &g_array_index (self->matrices, BnBoundMatrix, i);
    const uint32_t step = job_rows (matrix);

    matrix->n_rows_left = (int) matrix->n_rows;
    for (uint32_t row = 0; row < matrix->n_rows;) {
      Job job = {.matrix = matrix,
          .row_begin = row,
          .row_end = row + MIN (step, matrix->n_rows - row)};
      g_array_append_val (jobs, job);
      row = job.row_end;
    }
  }
  return jobs;
}

static void
run_loading (BnLoader *self)
{
  BnBackend *backend = self->weights->backend;
  const uint32_t n_workers = backend->ops->get_n_threads (backend);
  g_autoptr (GArray) jobs = make_jobs (self);
  Loading loading = {.loader = self,
      .jobs = (void *) jobs->data,
      .first_bad = NO_JOB,
      .n_scales = JOB_ELEMENTS};
  g_autofree uint8_t *codes = NULL;
  g_autofree float *scales = NULL;

  for (guint i = 0; i < self->matrices->len; i++) {
    const BnBoundMatrix *matrix =
        &g_array_index (self->matrices, BnBoundMatrix, i);
    const size_t n_rows = job_rows (matrix);
    loading.n_total += matrix->tensor->size;
    loading.codes_size = MAX (loading.codes_size, n_rows * matrix->n_cols);
    if (matrix->type == matrix->tensor->type)
      continue;
    loading.codes_size = MAX (loading.codes_size,
        bn_type_tensor_size (matrix->type, matrix->n_cols, n_rows));
    loading.n_scales =
        MAX (loading.n_scales, 2 * ((size_t) matrix->n_cols + n_rows));
  }
  loading.codes = codes = g_try_malloc_n (n_workers, loading.codes_size);
  loading.scales = scales =
      g_try_malloc_n (n_workers, loading.n_scales * sizeof *scales);
  if (loading.codes == NULL || loading.scales == NULL) {
    bn_loader_fail (self, BITNET_ERROR_OUT_OF_MEMORY,
        "no memory for %u threads that pack weights", n_workers);
    return;
  }
  backend->ops->for_each (backend, jobs->len, 1, run_jobs, &loading);

  if (loading.first_bad != NO_JOB)
    report_finding (self, &loading.jobs[loading.first_bad]);
  else if (g_cancellable_set_error_if_cancelled (
               self->cancellable, self->error))
    self->has_failed = TRUE;
  else
    report_progress (&loading, loading.n_total);
}

/* Memory */

static size_t
round_up (size_t size)
{
  return (size + BN_ALIGN - 1) / BN_ALIGN * BN_ALIGN;
}

/* The file's rows stay where they are, whatever becomes of the others. */
static size_t
plan_screen (BnLoader *self)
{
  BnBackend *backend = self->weights->backend;
  BnLinear *exact = &self->weights->output;
  const size_t size =
      backend->ops->linear_init (backend, exact, BN_REPACK_NEVER);

  g_assert (size == 0);
  return 2 * round_up (exact->matrix.n_rows * sizeof (float));
}

static void
place_screen (
    BnLoader *self, BnScreen *screen, const void *rows, uint8_t **memory)
{
  const size_t size = round_up (screen->copy.matrix.n_rows * sizeof (float));

  self->weights->output.matrix.data = rows;
  screen->norms = (const void *) *memory;
  screen->errors = (const void *) (*memory + size);
  *memory += 2 * size;
}

/* How each matrix is held, and what all of it takes. */
static size_t
plan_memory (BnLoader *self)
{
  BnBackend *backend = self->weights->backend;
  size_t size = 0;

  for (guint i = 0; i < self->matrices->len; i++) {
    BnBoundMatrix *matrix = &g_array_index (self->matrices, BnBoundMatrix, i);
    BnLinear *linear = matrix->linear;

    if (linear == NULL)
      continue;
    matrix->packed_size =
        backend->ops->linear_init (backend, linear, self->repack);
    if (matrix->packed_size == 0 && matrix->type != matrix->tensor->type)
      matrix->packed_size =
          bn_type_tensor_size (matrix->type, matrix->n_cols, matrix->n_rows);
    if (matrix->screen != NULL)
      size += plan_screen (self);
    matrix->row_tile = linear->ops ? linear->ops->row_tile : 1;
    size += round_up (matrix->packed_size);
    if (bn_pack_is_ternary (linear->matrix.pack))
      size += round_up (matrix->n_rows * sizeof (float));
  }
  for (guint i = 0; i < self->vectors->len; i++)
    size += round_up (
        g_array_index (self->vectors, BnBoundVector, i).n * sizeof (float));
  return size;
}

static void
place_matrices (BnLoader *self, uint8_t **memory)
{
  for (guint i = 0; i < self->matrices->len; i++) {
    const BnBoundMatrix *matrix =
        &g_array_index (self->matrices, BnBoundMatrix, i);
    BnLinear *linear = matrix->linear;

    if (linear == NULL)
      continue;
    linear->matrix.data = matrix->packed_size ? *memory : matrix->tensor->data;
    *memory += round_up (matrix->packed_size);
    if (matrix->screen != NULL)
      place_screen (self, matrix->screen, matrix->tensor->data, memory);
    if (bn_pack_is_ternary (linear->matrix.pack)) {
      linear->matrix.row_scale = (const void *) *memory;
      *memory += round_up (matrix->n_rows * sizeof (float));
    }
  }
}

static void
load_vectors (BnLoader *self, uint8_t **memory)
{
  BnBackend *backend = self->weights->backend;

  for (guint i = 0; i < self->vectors->len && !self->has_failed; i++) {
    const BnBoundVector *vector =
        &g_array_index (self->vectors, BnBoundVector, i);
    g_autofree float *values = g_try_new (float, vector->n);

    if (values == NULL) {
      bn_loader_fail (self, BITNET_ERROR_OUT_OF_MEMORY,
          "no memory for a vector of %u numbers", vector->n);
      return;
    }
    bn_loader_read_vector (self, values, vector->tensor, vector->n);
    backend->ops->write (backend, *memory, values, vector->n * sizeof *values);
    *vector->place = (const void *) *memory;
    *memory += round_up (vector->n * sizeof *values);
  }
}

/* Row scales hold the factor of the product now. */
static void
drop_folded_scales (BnLoader *self)
{
  for (guint i = 0; i < self->matrices->len; i++) {
    BnLinear *linear = g_array_index (self->matrices, BnBoundMatrix, i).linear;
    if (linear && bn_pack_is_ternary (linear->matrix.pack))
      linear->scale = 1;
  }
}

/* Whether there is memory for what is planned. */
static gboolean
check_memory (BnLoader *self, GError **error)
{
  BnMemoryNeed need = *self->need;

  need.weights = self->weights->memory_size;
  for (guint i = 0; i < self->matrices->len; i++) {
    const BnBoundMatrix *matrix =
        &g_array_index (self->matrices, BnBoundMatrix, i);
    if (matrix->linear != NULL
        && (matrix->packed_size == 0 || matrix->screen != NULL))
      need.mapped += matrix->tensor->size;
  }
  return bn_memory_check (
      "", bn_gguf_get_path (self->weights->gguf), &need, error);
}

/* Without the copy that nobody asked for. */
static void
leave_head_in_file (BnLoader *self)
{
  BnWeights *weights = self->weights;

  if (weights->screen == NULL || self->head != BN_HEAD_AUTO)
    return;
  for (guint i = 0; i < self->matrices->len; i++) {
    BnBoundMatrix *matrix = &g_array_index (self->matrices, BnBoundMatrix, i);

    if (matrix->screen == NULL)
      continue;
    matrix->linear = &weights->output;
    matrix->type = matrix->tensor->type;
    matrix->screen = NULL;
  }
  bn_screen_clear (weights->screen);
  g_clear_pointer (&weights->screen, g_free);
  weights->head = BN_HEAD_FILE;
}

/* A plan for which there is memory: if packed weights do not fit, with the
 * file's rows, which may take less and need no address space. */
static gboolean
plan_within_memory (BnLoader *self)
{
  g_autoptr (GError) error = NULL;

  self->weights->memory_size = plan_memory (self);
  self->has_failed = !check_memory (self, &error);
  if (self->has_failed && self->repack == BN_REPACK_AUTO) {
    self->repack = BN_REPACK_NEVER;
    leave_head_in_file (self);
    self->weights->memory_size = plan_memory (self);
    self->has_failed = !check_memory (self, NULL);
  }
  if (self->has_failed)
    g_propagate_error (self->error, g_steal_pointer (&error));
  return !self->has_failed;
}

void
bn_loader_run (BnLoader *self)
{
  BnWeights *weights = self->weights;
  BnBackend *backend = weights->backend;
  uint8_t *memory;

  if (self->has_failed)
    return;
  if (!plan_within_memory (self))
    return;
  weights->memory = backend->ops->alloc (backend, weights->memory_size);
  if (weights->memory == NULL) {
    bn_loader_fail (self, BITNET_ERROR_OUT_OF_MEMORY,
        "no memory for %" G_GSIZE_FORMAT " bytes of weights",
        weights->memory_size);
    return;
  }
  memory = weights->memory;
  place_matrices (self, &memory);
  load_vectors (self, &memory);
  if (!self->has_failed)
    run_loading (self);
  drop_folded_scales (self);
}
