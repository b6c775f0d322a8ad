/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The GGUF reader: the worked example of gguf.md section 6 byte for byte, the
 * mutations listed there, files cut at every byte, ids that mean two things,
 * split models, and whatever a path can name that is no file. */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bitnet-error.h"
#include "bn-gguf.h"

/* Section 6; the rest is zero. */
enum {
  EXAMPLE_SIZE = 0x140,
  EXAMPLE_INFOS_END = 213,
  EXAMPLE_DATA = 0xe0,
  EXAMPLE_TENSORS_END = EXAMPLE_DATA + 32 + 34,
};
static const char example_hex[] = "47475546030000000200000000000000"
                                  "03000000000000001400000000000000"
                                  "67656e6572616c2e6172636869746563"
                                  "74757265080000000500000000000000"
                                  "6c6c616d61110000000000000067656e"
                                  "6572616c2e616c69676e6d656e740400"
                                  "0000200000000300000000000000782e"
                                  "61090000000500000002000000000000"
                                  "0007000000ffffffff02000000000000"
                                  "00743002000000040000000000000002"
                                  "00000000000000000000000000000000"
                                  "00000002000000000000007431010000"
                                  "00200000000000000008000000200000"
                                  "00000000000000000000000000000000"
                                  "000000000000803f0000004000004040"
                                  "000080400000a0400000c0400000e040"
                                  "0038000102030405060708090a0b0c0d"
                                  "0e0f101112131415161718191a1b1c1d"
                                  "1e1f";

/* Writes the bytes that hex stands for; returns how many. */
static gsize
unhex (guint8 *out, const char *hex)
{
  gsize n = strlen (hex) / 2;

  for (gsize i = 0; i < n; i++)
    out[i] = (guint8) (g_ascii_xdigit_value (hex[2 * i]) << 4
                       | g_ascii_xdigit_value (hex[2 * i + 1]));
  return n;
}

static void
make_example (guint8 *data)
{
  memset (data, 0, EXAMPLE_SIZE);
  unhex (data, example_hex);
}

static BnGguf *
parse (const void *data, gsize size, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);

  return bn_gguf_new_from_bytes (bytes, "x.gguf", error);
}

static void
check_example (const BnGguf *gguf, gboolean is_wide)
{
  const BnGgufKv *kv;
  const BnGgufTensor *tensor;
  g_autofree char *architecture =
      bn_gguf_dup_string (gguf, "general.architecture");
  uint64_t alignment;
  int64_t number;
  float single;

  g_assert_cmpstr (architecture, ==, "llama");
  g_assert_true (bn_gguf_get_uint (gguf, "general.alignment", &alignment));
  g_assert_cmpuint (alignment, ==, 32);
  g_assert_cmpuint (bn_gguf_get_n_kvs (gguf), ==, 3);
  kv = bn_gguf_get_kv (gguf, 2);
  g_assert_cmpstr (kv->key, ==, "x.a");
  g_assert_true (kv == bn_gguf_find_kv (gguf, "x.a"));
  g_assert_cmpint (kv->type, ==, BN_GGUF_ARRAY);
  g_assert_cmpint (kv->element_type, ==, BN_GGUF_I32);
  g_assert_cmpuint (kv->count, ==, 2);
  g_assert_true (bn_gguf_kv_get_int (kv, 0, &number));
  g_assert_cmpint (number, ==, 7);
  g_assert_true (bn_gguf_kv_get_int (kv, 1, &number));
  g_assert_cmpint (number, ==, -1);
  g_assert_false (bn_gguf_kv_get_int (kv, 2, &number));
  g_assert_null (bn_gguf_find_kv (gguf, "x.b"));

  g_assert_cmpuint (bn_gguf_get_n_tensors (gguf), ==, 2);
  tensor = bn_gguf_find_tensor (gguf, "t0");
  g_assert_true (tensor == bn_gguf_get_tensor (gguf, 0));
  g_assert_cmpint (tensor->type, ==, BN_TYPE_F32);
  g_assert_cmpuint (tensor->n_dims, ==, 2);
  g_assert_cmpuint (tensor->ne[0], ==, 4);
  g_assert_cmpuint (tensor->ne[1], ==, 2);
  g_assert_cmpuint (tensor->ne[2], ==, 1);
  g_assert_cmpuint (tensor->ne[3], ==, 1);
  g_assert_cmpuint (tensor->size, ==, 32);
  for (guint i = 0; i < 8; i++) {
    memcpy (&single, tensor->data + sizeof single * i, sizeof single);
    g_assert_cmpfloat (single, ==, (float) i);
  }
  tensor = bn_gguf_get_tensor (gguf, 1);
  g_assert_cmpstr (tensor->name, ==, "t1");
  g_assert_cmpint (tensor->type, ==, BN_TYPE_Q8_0);
  g_assert_cmpuint (tensor->size, ==, 34);
  g_assert_cmphex (tensor->data[1], ==, 0x38); /* 0.5 as a half */
  for (guint i = 0; i < 32; i++)
    g_assert_cmpuint (tensor->data[2 + i], ==, i);
  g_assert_null (bn_gguf_find_tensor (gguf, "t2"));
  if (is_wide) {
    g_assert_cmpuint (bn_gguf_get_data_start (gguf), ==, EXAMPLE_DATA);
    g_assert_cmpuint (tensor->offset, ==, EXAMPLE_DATA + 32);
  }
}

static void
test_example (void)
{
  guint8 data[EXAMPLE_SIZE];

  make_example (data);
  for (guint8 version = 2; version <= 3; version++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (BnGguf) gguf = NULL;

    data[4] = version;
    gguf = parse (data, sizeof data, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (bn_gguf_get_version (gguf), ==, version);
    check_example (gguf, TRUE);
  }
}

/* Version 1 has 32-bit counts, lengths and dimensions. */
static void
test_version_1 (void)
{
  /* Offset and size of each wide field of the example. */
  static const guint8 wide[] = {
      8, 16, 24, 56, 69, 102, 121, 137, 151, 159, 179, 193};
  guint8 data[EXAMPLE_SIZE], narrow[EXAMPLE_SIZE] = {0};
  gsize from = 0, to = 0;
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGguf) gguf = NULL;

  make_example (data);
  data[4] = 1;
  for (gsize i = 0; i < G_N_ELEMENTS (wide); i++) {
    gsize n = wide[i] + 4 - from;

    memcpy (narrow + to, data + from, n);
    to += n;
    from = wide[i] + 8;
  }
  memcpy (narrow + to, data + from, EXAMPLE_INFOS_END - from);
  to += EXAMPLE_INFOS_END - from;
  to = (to + 31) / 32 * 32;
  memcpy (narrow + to, data + EXAMPLE_DATA, EXAMPLE_TENSORS_END - EXAMPLE_DATA);
  gguf = parse (narrow, to + EXAMPLE_TENSORS_END - EXAMPLE_DATA, &error);
  g_assert_no_error (error);
  check_example (gguf, FALSE);
}

static const struct {
  const char *name;
  gsize offset;
  const char *hex; /* written at offset */
  BitnetError code;
  gint64 at;           /* byte that the message names */
  const char *message; /* the message has this part */
} mutations[] = {
    {"magic", 0, "46", BITNET_ERROR_NOT_GGUF, 0, "\"FGUF\""},
    {"safetensors", 0, "10000000000000007b", BITNET_ERROR_NOT_GGUF, 0,
        "safetensors"},
    {"zip", 0, "504b0304", BITNET_ERROR_NOT_GGUF, 0, "ZIP"},
    {"ggml", 0, "6c6d6767", BITNET_ERROR_NOT_GGUF, 0, "GGML"},
    {"version-0", 4, "00", BITNET_ERROR_UNSUPPORTED_VERSION, 4, "version 0"},
    {"version-4", 4, "04", BITNET_ERROR_UNSUPPORTED_VERSION, 4,
        "expected 1 to 3"},
    {"big-endian", 4, "00000003", BITNET_ERROR_UNSUPPORTED_VERSION, 4,
        "big-endian"},
    {"kv-count-2^63", 16, "0000000000000080", BITNET_ERROR_CORRUPT, 16,
        "9223372036854775808"},
    {"kv-count-large", 16, "20a10700", BITNET_ERROR_TRUNCATED, 24,
        "500000 keys"},
    {"tensor-count-2^60", 8, "0000000000000010", BITNET_ERROR_CORRUPT, 8,
        "number of tensors"},
    {"tensor-count-large", 8, "20a10700", BITNET_ERROR_TRUNCATED, 137,
        "500000 tensors"},
    {"key-length-2^40", 24, "0000000000010000", BITNET_ERROR_CORRUPT, 24,
        "65535"},
    {"key-empty", 102, "00", BITNET_ERROR_CORRUPT, 102, "not empty"},
    {"key-nul", 111, "00", BITNET_ERROR_CORRUPT, 102, "x\\x00a"},
    {"key-not-utf8", 111, "ff", BITNET_ERROR_CORRUPT, 102, "x\\xffa"},
    {"value-type", 113, "0d", BITNET_ERROR_CORRUPT, 113, "value type 13"},
    {"string-length", 56, "ffffffffffffffff", BITNET_ERROR_CORRUPT, 56,
        "268435456"},
    {"array-of-arrays", 117, "09", BITNET_ERROR_CORRUPT, 117, "element type 9"},
    {"array-element-type", 117, "ff", BITNET_ERROR_CORRUPT, 117,
        "element type 255"},
    {"array-count-2^61", 117, "0a0000000000000000000020", BITNET_ERROR_CORRUPT,
        121, "2305843009213693952"},
    {"array-count-2^29", 117, "0a0000000000002000000000",
        BITNET_ERROR_TRUNCATED, 129, "536870912"},
    {"strings-count-2^25", 117, "080000000000000200000000",
        BITNET_ERROR_CORRUPT, 121, "16777216"},
    {"alignment-0", 98, "00", BITNET_ERROR_CORRUPT, 98, "alignment 0"},
    {"alignment-48", 98, "30", BITNET_ERROR_CORRUPT, 98, "alignment 48"},
    {"alignment-2^21", 98, "00002000", BITNET_ERROR_CORRUPT, 98, "1048576"},
    {"alignment-type", 94, "05", BITNET_ERROR_CORRUPT, 98, "value type 5"},
    {"n-dims-5", 147, "05", BITNET_ERROR_CORRUPT, 147, "5 dimensions"},
    {"dims-2^32-2^32", 151, "00000000010000000000000001000000",
        BITNET_ERROR_CORRUPT, 159, "2^63"},
    {"dim-0", 159, "00", BITNET_ERROR_CORRUPT, 159, "dimension 1 = 0"},
    {"dim-negative", 151, "ffffffffffffffff", BITNET_ERROR_CORRUPT, 151,
        "18446744073709551615"},
    {"dim-2^40", 151, "0000000000010000", BITNET_ERROR_CORRUPT, 171, "overlap"},
    {"q8_0-row-33", 193, "21", BITNET_ERROR_CORRUPT, 201, "multiple of 32"},
    {"type-4", 201, "04", BITNET_ERROR_UNSUPPORTED_QUANTIZATION, 201, "Q4_2"},
    {"type-31", 201, "1f", BITNET_ERROR_UNSUPPORTED_QUANTIZATION, 201,
        "Q4_0_4_4"},
    {"type-iq4_xs", 201, "17", BITNET_ERROR_UNSUPPORTED_QUANTIZATION, 201,
        "IQ4_XS (id 23) of the tensor \"t1\""},
    {"type-max", 201, "ffffffff", BITNET_ERROR_UNSUPPORTED_QUANTIZATION, 201,
        "unknown (id -1)"},
    {"offset-33", 205, "21", BITNET_ERROR_CORRUPT, 205, "multiple of 32"},
    {"offset-2^63", 205, "0000000000000080", BITNET_ERROR_CORRUPT, 205,
        "9223372036854775808"},
    {"offset-beyond", 205, "0010", BITNET_ERROR_TRUNCATED, 205, "4096"},
    {"offset-overlap", 205, "00", BITNET_ERROR_CORRUPT, 171, "overlap"},
    {"name-repeated", 187, "7430", BITNET_ERROR_CORRUPT, 179, "\"t0\" again"},
    {"name-empty", 137, "00", BITNET_ERROR_CORRUPT, 137, "tensor name"},
    {"name-65", 137, "41", BITNET_ERROR_CORRUPT, 137, "at most 64"},
    {"name-newline", 187, "740a0100000000", BITNET_ERROR_CORRUPT, 193,
        "t\\x0a"},
};

/* The message names the file, the byte and what was expected, on one line. */
static void
check_message (const GError *error, gint64 at, const char *part)
{
  g_autofree char *start =
      g_strdup_printf ("x.gguf: at byte %" G_GINT64_FORMAT ": found ", at);

  if (!g_str_has_prefix (error->message, start)
      || !strstr (error->message, ", expected ")
      || strpbrk (error->message, "\n\r")
      || (part && !strstr (error->message, part)))
    g_error ("message \"%s\", expected \"%s…%s…, expected …\"", error->message,
        start, part);
}

static void
test_mutation (gconstpointer user_data)
{
  gsize i = GPOINTER_TO_SIZE (user_data);
  guint8 data[EXAMPLE_SIZE];
  g_autoptr (GError) error = NULL;

  make_example (data);
  unhex (data + mutations[i].offset, mutations[i].hex);
  g_assert_null (parse (data, sizeof data, &error));
  g_assert_error (error, BITNET_ERROR, (int) mutations[i].code);
  check_message (error, mutations[i].at, mutations[i].message);
}

static void
test_duplicate_key (void)
{
  /* Two pairs of one key and one byte each. */
  static const char hex[] = "4747554603000000"
                            "0000000000000000"
                            "0200000000000000"
                            "0100000000000000610000000001"
                            "0100000000000000610000000002";
  guint8 data[sizeof hex / 2];
  g_autoptr (GError) error = NULL;

  g_assert_null (parse (data, unhex (data, hex), &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_CORRUPT);
  check_message (error, 38, "\"a\" again");
}

/* The padding behind the last tensor is not needed; everything else is. */
static void
test_truncated (void)
{
  guint8 data[EXAMPLE_SIZE];

  make_example (data);
  for (gsize size = 0; size <= EXAMPLE_SIZE; size++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (BnGguf) gguf = parse (data, size, &error);

    if (size >= EXAMPLE_TENSORS_END) {
      g_assert_no_error (error);
      check_example (gguf, TRUE);
    } else {
      g_assert_null (gguf);
      g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TRUNCATED);
      g_assert_nonnull (strstr (error->message, "x.gguf: at byte "));
      g_assert_nonnull (strstr (error->message, ", expected "));
    }
  }
}

/* Bytes at any address are accepted and tensors come out aligned. */
static void
test_unaligned_bytes (void)
{
  guint8 data[EXAMPLE_SIZE + 1];
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (BnGguf) gguf = NULL;
  g_autoptr (GError) error = NULL;

  make_example (data + 1);
  bytes = g_bytes_new_static (data + 1, EXAMPLE_SIZE);
  gguf = bn_gguf_new_from_bytes (bytes, "x.gguf", &error);
  g_assert_no_error (error);
  check_example (gguf, TRUE);
  g_assert_cmpuint ((uintptr_t) bn_gguf_get_tensor (gguf, 0)->data % 8, ==, 0);
}

/* general.alignment 1 is allowed, numbers at odd addresses are not. */
static void
test_misaligned_numbers (void)
{
  guint8 data[EXAMPLE_SIZE];
  g_autoptr (GError) error = NULL;

  make_example (data);
  data[98] = 1;   /* alignment: data begin at 213 */
  data[205] = 33; /* t1 */
  g_assert_null (parse (data, sizeof data, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_CORRUPT);
  check_message (error, 171, "at byte 213, expected a multiple of 4");
}

static void
append_uint (GByteArray *out, uint64_t value, guint size)
{
  for (guint i = 0; i < size; i++) {
    guint8 byte = (guint8) (value >> (8 * i));

    g_byte_array_append (out, &byte, 1);
  }
}

/* A file of one tensor, or of two if offset2 is not 0, with ids as given. */
static GBytes *
make_tensors (int32_t id, uint64_t n_cols, uint64_t n_rows, uint64_t offset2,
    uint64_t data_size)
{
  GByteArray *out = g_byte_array_new ();
  guint n_tensors = offset2 ? 2 : 1;

  g_byte_array_append (out, (const guint8 *) "GGUF\3\0\0\0", 8);
  append_uint (out, n_tensors, 8);
  append_uint (out, 0, 8);
  for (guint i = 0; i < n_tensors; i++) {
    append_uint (out, 1, 8);
    append_uint (out, 'a' + i, 1);
    append_uint (out, 2, 4);
    append_uint (out, i ? 1 : n_cols, 8);
    append_uint (out, i ? 1 : n_rows, 8);
    append_uint (out, i ? BN_TYPE_F32 : (uint64_t) id, 4);
    append_uint (out, i ? offset2 : 0, 8);
  }
  while (out->len % 32)
    append_uint (out, 0, 1);
  g_byte_array_set_size (out, out->len + (guint) data_size);
  memset (out->data + out->len - data_size, 0, data_size);
  return g_byte_array_free_to_bytes (out);
}

/* Ids of two meanings: the space up to the next tensor decides (section 11).
 * n = 256 * 64 = 16384 elements. */
enum {
  COLS = 256,
  ROWS = 64,
  N = COLS * ROWS,
  I2_S_SIZE = N / 4 + 32,
  IQ4_NL_SIZE = N / 32 * 18,
  MXFP4_SIZE = N / 32 * 17,
  TL2_SIZE = 256 * ROWS / 2 * 4 / 8 + 32,
};
static const struct {
  const char *name;
  int32_t id;
  uint64_t size;      /* of the data, or up to the second tensor */
  gboolean is_second; /* whether there is one */
  int code;           /* -1: accepted */
  const char *message;
} clashes[] = {
    {"i2_s", 36, I2_S_SIZE, TRUE, -1, NULL},
    {"i2_s-last", 36, I2_S_SIZE, FALSE, -1, NULL},
    {"i2_s-last-trailing", 36, I2_S_SIZE + 100, FALSE, -1, NULL},
    {"i2_s-gap", 36, I2_S_SIZE + 256, TRUE, -1, NULL},
    {"i2_s-cut", 36, I2_S_SIZE - 1, FALSE, BITNET_ERROR_TRUNCATED, "4128"},
    {"iq4_nl_4_4", 36, IQ4_NL_SIZE, TRUE, BITNET_ERROR_UNSUPPORTED_QUANTIZATION,
        "IQ4_NL_4_4"},
    {"iq4_nl_4_4-last", 36, IQ4_NL_SIZE, FALSE,
        BITNET_ERROR_UNSUPPORTED_QUANTIZATION, "I2_S"},
    {"bitnet-rs-inline", 36, N / 32 * 10, TRUE,
        BITNET_ERROR_UNSUPPORTED_QUANTIZATION, "BitNet-rs"},
    {"bitnet-rs-no-scale", 36, N / 4, TRUE,
        BITNET_ERROR_UNSUPPORTED_QUANTIZATION, "without a scale"},
    {"overlap", 36, 1024, TRUE, BITNET_ERROR_CORRUPT, "overlap"},
    {"tl1", 38, I2_S_SIZE, TRUE, -1, NULL},
    {"iq4_nl_8_8", 38, IQ4_NL_SIZE, TRUE, BITNET_ERROR_UNSUPPORTED_QUANTIZATION,
        "IQ4_NL_8_8"},
    {"tl2", 39, TL2_SIZE, TRUE, -1, NULL},
    {"mxfp4", 39, MXFP4_SIZE, TRUE, BITNET_ERROR_UNSUPPORTED_QUANTIZATION,
        "MXFP4 (id 39) of the tensor \"a\""},
    {"mxfp4-last-cut", 39, MXFP4_SIZE - 1000, FALSE,
        BITNET_ERROR_UNSUPPORTED_QUANTIZATION, "MXFP4"},
};

static void
test_clash (gconstpointer user_data)
{
  gsize i = GPOINTER_TO_SIZE (user_data);
  gboolean is_second = clashes[i].is_second;
  uint64_t offset2 = is_second ? (clashes[i].size + 31) / 32 * 32 : 0;
  g_autoptr (GBytes) bytes = make_tensors (clashes[i].id, COLS, ROWS, offset2,
      is_second ? offset2 + 4 : clashes[i].size);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGguf) gguf = bn_gguf_new_from_bytes (bytes, "x.gguf", &error);

  if (clashes[i].code < 0) {
    g_assert_no_error (error);
    g_assert_cmpint (
        bn_gguf_get_tensor (gguf, 0)->type, ==, (BnType) clashes[i].id);
    return;
  }
  g_assert_error (error, BITNET_ERROR, clashes[i].code);
  g_assert_nonnull (strstr (error->message, clashes[i].message));
}

/* The sizes of the published 2B-4T file. */
static void
test_i2_s_shape (void)
{
  g_autoptr (GBytes) bytes =
      make_tensors (36, 2560, 6912, 4423712, 4423712 + 4);
  g_autoptr (GBytes) odd = make_tensors (36, 64, 3, 0, 4096);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGguf) gguf = bn_gguf_new_from_bytes (bytes, "x.gguf", &error);

  g_assert_no_error (error);
  g_assert_cmpuint (bn_gguf_get_tensor (gguf, 0)->size, ==, 4423712);
  g_assert_null (bn_gguf_new_from_bytes (odd, "x.gguf", &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_CORRUPT);
  g_assert_nonnull (strstr (error->message, "multiple of 128"));
}

/* Many pairs with equal hashes of the usual string hash, many tensors: the
 * checks for duplicates must not be quadratic. */
static void
test_many_names (void)
{
  enum { BITS = 16, COUNT = 1 << BITS };
  g_autoptr (GByteArray) out = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BnGguf) gguf = NULL;

  g_byte_array_append (out, (const guint8 *) "GGUF\3\0\0\0", 8);
  append_uint (out, 0, 8);
  append_uint (out, COUNT, 8);
  for (guint i = 0; i < COUNT; i++) {
    append_uint (out, 2 * BITS, 8);
    for (guint bit = 0; bit < BITS; bit++) /* 33 * 'E' + 'z' and 'F', 'Y' */
      g_byte_array_append (
          out, (const guint8 *) (i >> bit & 1 ? "FY" : "Ez"), 2);
    append_uint (out, BN_GGUF_U8, 4);
    append_uint (out, i, 1);
  }
  bytes = g_bytes_new (out->data, out->len);
  gguf = bn_gguf_new_from_bytes (bytes, "x.gguf", &error);
  g_assert_no_error (error);
  g_assert_cmpuint (bn_gguf_get_n_kvs (gguf), ==, COUNT);
}

/* Every number type at its extremes; which conversions hold the value. */
static const struct {
  BnGgufType type;
  const char *hex;
  gboolean is_uint, is_int, is_double, is_bool;
  uint64_t as_uint;
  int64_t as_int;
  double as_double;
} values[] = {
    {BN_GGUF_U8, "ff", 1, 1, 1, 0, 255, 255, 255},
    {BN_GGUF_I8, "80", 0, 1, 1, 0, 0, -128, -128},
    {BN_GGUF_U16, "feff", 1, 1, 1, 0, 65534, 65534, 65534},
    {BN_GGUF_I16, "ffff", 0, 1, 1, 0, 0, -1, -1},
    {BN_GGUF_U32, "ffffffff", 1, 1, 1, 0, G_MAXUINT32, G_MAXUINT32,
        G_MAXUINT32},
    {BN_GGUF_I32, "00000080", 0, 1, 1, 0, 0, G_MININT32, G_MININT32},
    {BN_GGUF_F32, "0000c03f", 0, 0, 1, 0, 0, 0, 1.5},
    {BN_GGUF_BOOL, "02", 0, 0, 0, 1, 0, 0, 0},
    {BN_GGUF_U64, "ffffffffffffffff", 1, 0, 1, 0, G_MAXUINT64, 0, 0x1p64},
    {BN_GGUF_I64, "0000000000000080", 0, 1, 1, 0, 0, G_MININT64, -0x1p63},
    {BN_GGUF_F64, "000000000000f8bf", 0, 0, 1, 0, 0, 0, -1.5},
};

static void
test_values (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (values); i++) {
    g_autoptr (GByteArray) out = g_byte_array_new ();
    g_autoptr (GBytes) bytes = NULL;
    g_autoptr (BnGguf) gguf = NULL;
    g_autoptr (GError) error = NULL;
    guint8 value[8];
    const BnGgufKv *kv;
    uint64_t as_uint = 0;
    int64_t as_int = 0;
    double as_double = 0;
    gboolean as_bool = FALSE;
    const char *text;
    size_t length;

    g_byte_array_append (out, (const guint8 *) "GGUF\3\0\0\0", 8);
    append_uint (out, 0, 8);
    append_uint (out, 1, 8);
    append_uint (out, 1, 8);
    append_uint (out, 'k', 1);
    append_uint (out, values[i].type, 4);
    g_byte_array_append (out, value, (guint) unhex (value, values[i].hex));
    bytes = g_bytes_new (out->data, out->len);
    gguf = bn_gguf_new_from_bytes (bytes, "x.gguf", &error);
    g_assert_no_error (error);
    kv = bn_gguf_get_kv (gguf, 0);
    g_assert_cmpint (
        bn_gguf_kv_get_uint (kv, 0, &as_uint), ==, values[i].is_uint);
    g_assert_cmpuint (as_uint, ==, values[i].as_uint);
    g_assert_cmpint (bn_gguf_kv_get_int (kv, 0, &as_int), ==, values[i].is_int);
    g_assert_cmpint (as_int, ==, values[i].as_int);
    g_assert_cmpint (
        bn_gguf_kv_get_double (kv, 0, &as_double), ==, values[i].is_double);
    g_assert_cmpfloat (as_double, ==, values[i].as_double);
    g_assert_cmpint (
        bn_gguf_kv_get_bool (kv, 0, &as_bool), ==, values[i].is_bool);
    g_assert_cmpint (as_bool, ==, values[i].is_bool);
    g_assert_false (bn_gguf_kv_get_string (kv, 0, &text, &length));
    g_assert_false (bn_gguf_kv_get_uint (kv, 1, &as_uint));
  }
}

static void
check_open_fails (const char *path, BitnetError code, const char *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (bn_gguf_open (path, NULL, &error));
  g_assert_error (error, BITNET_ERROR, (int) code);
  if (!g_str_has_prefix (error->message, path)
      || !strstr (error->message, message))
    g_error (
        "message \"%s\", expected \"%s…%s…\"", error->message, path, message);
}

static void
test_paths (void)
{
  g_autofree char *folder = g_dir_make_tmp ("bitnet-XXXXXX", NULL);
  g_autofree char *missing = g_build_filename (folder, "missing", NULL);
  g_autofree char *below = g_build_filename (folder, "empty", "x", NULL);
  g_autofree char *empty = g_build_filename (folder, "empty", NULL);
  g_autofree char *pipe = g_build_filename (folder, "pipe", NULL);

  g_assert_true (g_file_set_contents (empty, "", 0, NULL));
  g_assert_cmpint (mkfifo (pipe, 0600), ==, 0);
  check_open_fails (missing, BITNET_ERROR_NOT_FOUND, "no such file");
  check_open_fails (below, BITNET_ERROR_NOT_FOUND, "no such file");
  check_open_fails (folder, BITNET_ERROR_READ, "a directory");
  check_open_fails (pipe, BITNET_ERROR_READ, "a pipe");
  check_open_fails ("/dev/null", BITNET_ERROR_READ, "a device");
  check_open_fails (empty, BITNET_ERROR_TRUNCATED, "at byte 0: found an empty");
  if (geteuid () != 0) {
    g_assert_cmpint (g_chmod (empty, 0), ==, 0);
    check_open_fails (empty, BITNET_ERROR_READ, g_strerror (EACCES));
  }
  g_unlink (empty);
  g_unlink (pipe);
  g_rmdir (folder);
}

static void
test_cancelled (void)
{
  g_autofree char *folder = g_dir_make_tmp ("bitnet-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "x.gguf", NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  guint8 data[EXAMPLE_SIZE];

  make_example (data);
  g_assert_true (
      g_file_set_contents (path, (const char *) data, sizeof data, NULL));
  g_cancellable_cancel (cancellable);
  g_assert_null (bn_gguf_open (path, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_unlink (path);
  g_rmdir (folder);
}

/* Every file of the reference data opens. */
static void
test_reference (void)
{
  const char *data = g_getenv ("BITNET_REFERENCE_DATA");
  static const char *const folders[] = {"models", "vocab"};
  guint n_files = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++) {
    g_autofree char *folder =
        g_build_filename (data ? data : "", folders[i], NULL);
    g_autoptr (GDir) dir = data ? g_dir_open (folder, 0, NULL) : NULL;
    const char *name;

    while (dir && (name = g_dir_read_name (dir))) {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_autoptr (BnGguf) gguf = NULL;
      g_autoptr (GError) error = NULL;

      if (!g_str_has_suffix (name, ".gguf"))
        continue;
      gguf = bn_gguf_open (path, NULL, &error);
      g_assert_no_error (error);
      g_assert_nonnull (bn_gguf_find_kv (gguf, "tokenizer.ggml.tokens"));
      n_files++;
    }
  }
  if (n_files == 0)
    g_test_skip ("no reference data");
}

#define ADD_TABLE(path, table, function)                                       \
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++) {                           \
    g_autofree char *name = g_strconcat (path, table[i].name, NULL);           \
    g_test_add_data_func (name, GSIZE_TO_POINTER (i), function);               \
  }

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gguf/example", test_example);
  g_test_add_func ("/gguf/version-1", test_version_1);
  ADD_TABLE ("/gguf/B38/mutation/", mutations, test_mutation)
  g_test_add_func ("/gguf/duplicate-key", test_duplicate_key);
  g_test_add_func ("/gguf/truncated", test_truncated);
  g_test_add_func ("/gguf/unaligned-bytes", test_unaligned_bytes);
  g_test_add_func ("/gguf/misaligned-numbers", test_misaligned_numbers);
  ADD_TABLE ("/gguf/clash/", clashes, test_clash)
  g_test_add_func ("/gguf/i2_s-shape", test_i2_s_shape);
  g_test_add_func ("/gguf/many-names", test_many_names);
  g_test_add_func ("/gguf/values", test_values);
  g_test_add_func ("/gguf/paths", test_paths);
  g_test_add_func ("/gguf/cancelled", test_cancelled);
  g_test_add_func ("/gguf/reference", test_reference);
  return g_test_run ();
}
