/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tensor table of one GGUF file (gguf.md sections 5, 9 to 11).
 *
 * A type id alone does not say what a tensor is: forks use 36, 38 and 39 for
 * other things than ggml. The distance to the next tensor decides, so infos
 * are first read with their ids, then sorted by offset, then settled one by
 * one. As each tensor must fit in the distance to its neighbour, no two can
 * overlap. */
#include "bn-gguf-part.h"

enum {
  MAX_NAME_LENGTH = 64,
  MAX_TYPE_ID = 1000, /* beyond any id in use; for listing the known ones */
  ROW_MULTIPLE_I2_S = 128,
};

/* What an info says, next to its BnGgufTensor. */
typedef struct {
  uint64_t offset;        /* from data_start */
  uint64_t offset_offset; /* where that was read */
  uint64_t type_offset;
  uint64_t n_rows; /* ne[1] * ne[2] * ne[3] */
  int32_t id;
  guint tensor; /* index of the BnGgufTensor */
} Info;

/* Other meanings of an id that forks use, in blocks along a row. */
static const struct {
  int32_t id;
  const char *name;
  uint32_t block_elements;
  uint32_t block_size;
} rivals[] = {
    {BN_TYPE_I2_S, "IQ4_NL_4_4, removed from ggml", 32, 18},
    {BN_TYPE_I2_S, "I2_S of BitNet-rs with a scale in each block", 32, 10},
    {BN_TYPE_TL1, "IQ4_NL_8_8, removed from ggml", 32, 18},
    {BN_TYPE_TL2, "MXFP4", 32, 17},
};

/* Where every type that can be read is listed, for messages. */
static char *
list_types (void)
{
  GString *list = g_string_new (NULL);

  for (int32_t id = 0; id < MAX_TYPE_ID; id++) {
    const BnTypeInfo *info = bn_type_info (id);

    if (info)
      g_string_append_printf (list, "%s%s", list->len ? ", " : "", info->name);
  }
  return g_string_free (list, FALSE);
}

static void
fail_unsupported (BnCursor *cursor, const BnGgufTensor *tensor,
    const Info *info, const char *type_name)
{
  g_autofree char *types = list_types ();

  bn_cursor_fail (cursor, BITNET_ERROR_UNSUPPORTED_QUANTIZATION,
      info->type_offset,
      "found type %s (id %d) of the tensor \"%s\", expected one of %s",
      type_name, info->id, tensor->name, types);
}

static void
parse_shape (BnCursor *cursor, BnGgufTensor *tensor, Info *info)
{
  uint64_t offset = cursor->pos, n_elements = 1;

  tensor->n_dims = bn_cursor_uint32 (cursor, "a number of dimensions");
  if (tensor->n_dims > G_N_ELEMENTS (tensor->ne)) {
    bn_cursor_fail (cursor, BITNET_ERROR_CORRUPT, offset,
        "found %u dimensions of the tensor \"%s\", expected at most 4",
        tensor->n_dims, tensor->name);
    return;
  }
  for (guint i = 0; i < G_N_ELEMENTS (tensor->ne); i++) {
    offset = cursor->pos;
    tensor->ne[i] =
        i < tensor->n_dims ? bn_cursor_size (cursor, "a dimension") : 1;
    if (!bn_cursor_ok (cursor))
      return;
    if (tensor->ne[i] == 0 || tensor->ne[i] > INT64_MAX
        || !g_uint64_checked_mul (&n_elements, n_elements, tensor->ne[i])
        || n_elements > INT64_MAX) {
      bn_cursor_fail (cursor, BITNET_ERROR_CORRUPT, offset,
          "found dimension %u = %" G_GUINT64_FORMAT
          " of the tensor \"%s\", expected at least 1 and fewer than 2^63 "
          "elements in all",
          i, tensor->ne[i], tensor->name);
      return;
    }
  }
  info->n_rows = n_elements / tensor->ne[0];
}

static void
parse_info (BnGgufPart *self, BnCursor *cursor, GArray *infos)
{
  BnGgufTensor tensor = {.info_offset = cursor->pos};
  Info info = {.tensor = self->tensors->len};

  tensor.name =
      bn_gguf_part_parse_name (self, cursor, MAX_NAME_LENGTH, "a tensor name");
  if (!tensor.name)
    return;
  parse_shape (cursor, &tensor, &info);
  info.type_offset = cursor->pos;
  info.id = (int32_t) bn_cursor_uint32 (cursor, "a tensor type");
  if (bn_cursor_ok (cursor) && !bn_type_info (info.id)) {
    const char *type_name = bn_type_id_name (info.id);

    fail_unsupported (
        cursor, &tensor, &info, type_name ? type_name : "unknown");
  }
  info.offset_offset = cursor->pos;
  info.offset = bn_cursor_uint64 (cursor, "a tensor offset");
  if (bn_cursor_ok (cursor) && info.offset % self->alignment != 0)
    bn_cursor_fail (cursor, BITNET_ERROR_CORRUPT, info.offset_offset,
        "found offset %" G_GUINT64_FORMAT
        " of the tensor \"%s\", expected a multiple of %" G_GUINT64_FORMAT,
        info.offset, tensor.name, self->alignment);
  g_array_append_val (self->tensors, tensor);
  g_array_append_val (infos, info);
}

static int
compare_offsets (gconstpointer a, gconstpointer b)
{
  const Info *left = a, *right = b;

  return (left->offset > right->offset) - (left->offset < right->offset);
}

/* Bytes the tensor takes as a rival type; 0 if the shape does not fit. */
static uint64_t
rival_size (gsize rival, const BnGgufTensor *tensor, const Info *info)
{
  uint64_t blocks, size;

  if (tensor->ne[0] % rivals[rival].block_elements != 0)
    return 0;
  blocks = tensor->ne[0] / rivals[rival].block_elements * info->n_rows;
  return g_uint64_checked_mul (&size, blocks, rivals[rival].block_size) ? size
                                                                        : 0;
}

/* Whether size bytes and padding below alignment make up avail. */
static gboolean
fills (uint64_t size, uint64_t avail, uint64_t alignment)
{
  return size > 0 && size <= avail && avail - size < alignment;
}

/* The rival that an ambiguous tensor turns out to be, or NULL if it is what
 * this library takes the id for. avail: bytes to the next tensor. */
static const char *
find_rival (const BnGgufPart *self, const BnGgufTensor *tensor,
    const Info *info, uint64_t avail)
{
  uint64_t size =
      bn_type_tensor_size ((BnType) info->id, tensor->ne[0], info->n_rows);

  if (fills (size, avail, self->alignment))
    return NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (rivals); i++) {
    if (rivals[i].id == info->id
        && fills (rival_size (i, tensor, info), avail, self->alignment))
      return rivals[i].name;
  }
  /* Nothing fits: a gap follows, or the file is cut. The id is ours then, but
   * for 39, which nearly all files use as ggml does. */
  if (info->id == BN_TYPE_TL2 && size <= avail)
    return "MXFP4";
  return NULL;
}

/* Bytes of one number, the unit in which kernels read the data. */
static uint64_t
natural_alignment (BnType type)
{
  switch (type) {
    case BN_TYPE_I64:
    case BN_TYPE_F64:
      return 8;
    case BN_TYPE_F32:
    case BN_TYPE_I32:
    case BN_TYPE_I2_S:
    case BN_TYPE_TL1:
    case BN_TYPE_TL2:
    case BN_TYPE_IQ2_BN:
      return 4;
    case BN_TYPE_I8:
      return 1;
    default:
      return 2;
  }
}

static gboolean
check_shape (BnCursor *cursor, const BnGgufTensor *tensor, const Info *info)
{
  const BnTypeInfo *type = bn_type_info (info->id);
  uint64_t n_cols = tensor->ne[0];
  uint64_t unit = type->block_elements;

  if (n_cols % unit == 0 && info->id == BN_TYPE_I2_S) {
    /* Blocks run over row ends. */
    unit = ROW_MULTIPLE_I2_S;
    n_cols *= info->n_rows;
  }
  if (n_cols % unit != 0) {
    bn_cursor_fail (cursor, BITNET_ERROR_CORRUPT, info->type_offset,
        "found %" G_GUINT64_FORMAT " elements in %s of the tensor \"%s\" of "
        "type %s, expected a multiple of %" G_GUINT64_FORMAT,
        n_cols, info->id == BN_TYPE_I2_S ? "all" : "a row", tensor->name,
        type->name, unit);
    return FALSE;
  }
  return TRUE;
}

static void
fail_short (BnGgufPart *self, BnCursor *cursor, const BnGgufTensor *tensor,
    const Info *info, const Info *next, uint64_t size, uint64_t avail)
{
  uint64_t n_codes = tensor->ne[0] * info->n_rows / 4;

  if (next && info->id == BN_TYPE_I2_S
      && fills (n_codes, avail, self->alignment)) {
    fail_unsupported (
        cursor, tensor, info, "I2_S of BitNet-rs, without a scale");
  } else if (next) {
    const BnGgufTensor *other =
        &g_array_index (self->tensors, BnGgufTensor, next->tensor);

    bn_cursor_fail (cursor, BITNET_ERROR_CORRUPT, info->offset_offset,
        "found %" G_GUINT64_FORMAT " bytes between the tensors \"%s\" and "
        "\"%s\", which overlap, expected %" G_GUINT64_FORMAT,
        avail, tensor->name, other->name, size);
  } else {
    bn_cursor_fail (cursor, BITNET_ERROR_TRUNCATED,
        self->data_start + info->offset,
        "found the end of the file after %" G_GUINT64_FORMAT
        " bytes, expected %" G_GUINT64_FORMAT " bytes of the tensor \"%s\"",
        avail, size, tensor->name);
  }
}

/* Type, size and place of one tensor; next is its neighbour in the file. */
static void
settle (BnGgufPart *self, BnCursor *cursor, const Info *info, const Info *next)
{
  BnGgufTensor *tensor =
      &g_array_index (self->tensors, BnGgufTensor, info->tensor);
  uint64_t data_size = cursor->size - self->data_start;
  uint64_t avail = next && next->offset <= data_size ? next->offset : data_size;
  const char *rival;

  if (info->offset > data_size) {
    bn_cursor_fail (cursor,
        info->offset > INT64_MAX ? BITNET_ERROR_CORRUPT
                                 : BITNET_ERROR_TRUNCATED,
        info->offset_offset,
        "found offset %" G_GUINT64_FORMAT
        " of the tensor \"%s\", expected at most %" G_GUINT64_FORMAT
        ", the bytes of data in the file",
        info->offset, tensor->name, data_size);
    return;
  }
  if (next && next->offset > data_size)
    next = NULL; /* beyond the end, which stops this tensor too */
  avail -= info->offset;
  rival = find_rival (self, tensor, info, avail);
  if (rival) {
    fail_unsupported (cursor, tensor, info, rival);
    return;
  }
  if (!check_shape (cursor, tensor, info))
    return;
  tensor->type = (BnType) info->id;
  tensor->size =
      bn_type_tensor_size (tensor->type, tensor->ne[0], info->n_rows);
  tensor->offset = self->data_start + info->offset;
  if (tensor->size == 0) {
    bn_cursor_fail (cursor, BITNET_ERROR_CORRUPT, info->type_offset,
        "found a shape of %" G_GUINT64_FORMAT " x %" G_GUINT64_FORMAT
        " of the tensor \"%s\", expected one that %s can have",
        tensor->ne[0], info->n_rows, tensor->name,
        bn_type_info (info->id)->name);
  } else if (tensor->size > avail) {
    fail_short (self, cursor, tensor, info, next, tensor->size, avail);
  } else if (tensor->offset % natural_alignment (tensor->type) != 0) {
    bn_cursor_fail (cursor, BITNET_ERROR_CORRUPT, info->offset_offset,
        "found the tensor \"%s\" at byte %" G_GUINT64_FORMAT
        ", expected a multiple of %" G_GUINT64_FORMAT,
        tensor->name, tensor->offset, natural_alignment (tensor->type));
  } else {
    tensor->data = cursor->data + tensor->offset;
  }
}

void
bn_gguf_part_parse_tensors (
    BnGgufPart *self, BnCursor *cursor, uint64_t n_tensors)
{
  g_autoptr (GArray) infos = g_array_new (FALSE, FALSE, sizeof (Info));
  uint64_t padding;

  for (uint64_t i = 0; i < n_tensors && bn_cursor_ok (cursor); i++) {
    if (i % BN_GGUF_CANCEL_INTERVAL == 0 && !bn_cursor_continue (cursor))
      return;
    parse_info (self, cursor, infos);
  }
  self->data_start = cursor->pos;
  if (!bn_cursor_ok (cursor) || n_tensors == 0)
    return;
  padding = -cursor->pos & (self->alignment - 1);
  bn_cursor_take (cursor, padding, "padding in front of the tensor data");
  self->data_start = cursor->pos;

  g_array_sort (infos, compare_offsets);
  for (guint i = 0; i < infos->len && bn_cursor_ok (cursor); i++)
    settle (self, cursor, &g_array_index (infos, Info, i),
        i + 1 < infos->len ? &g_array_index (infos, Info, i + 1) : NULL);
}
