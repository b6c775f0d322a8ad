/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every file format against the vectors of quant-formats.md: what the
 * reference encoders made of two fixed inputs, and what decodes from it. */
#include <glib.h>
#include <math.h>
#include <string.h>
#include "kernels/bn-blocks.h"
#include "kernels/bn-quants.h"

enum { N_INPUT = 256, N_TERNARY = 56 * 32 + 56 };

typedef enum { INPUT_X, INPUT_T } Input;

static float input_x[N_INPUT];   /* X of section 1 */
static float input_t[N_INPUT];   /* 0.5 * T */
static gint8 ternary[N_TERNARY]; /* T */

static void
make_inputs (void)
{
  guint32 r = 1;

  for (int i = 0; i < N_INPUT; i++)
    input_x[i] = (float) ((37 * i + 11) % 101 - 50) / 64.0f;
  for (int i = 0; i < N_TERNARY; i++) {
    r = r * 1664525 + 1013904223;
    ternary[i] = (gint8) (((r >> 24) * 3 >> 8) - 1);
  }
  for (int i = 0; i < N_INPUT; i++)
    input_t[i] = 0.5f * (float) ternary[i];
}

/* Bytes of a hexadecimal string, in memory that ends where they end. */
static guint8 *
from_hex (const char *hex, gsize *size)
{
  guint8 *bytes = g_malloc (strlen (hex) / 2);

  *size = strlen (hex) / 2;
  for (gsize i = 0; i < *size; i++)
    bytes[i] = (guint8) (g_ascii_xdigit_value (hex[2 * i]) << 4
                         | g_ascii_xdigit_value (hex[2 * i + 1]));
  return bytes;
}

static void
assert_bytes (
    const char *what, const guint8 *found, const guint8 *expected, gsize size)
{
  for (gsize i = 0; i < size; i++) {
    if (found[i] != expected[i])
      g_error ("%s: byte %" G_GSIZE_FORMAT " is %02x, expected %02x", what, i,
          found[i], expected[i]);
  }
}

/* clang-format off */
static const struct {
  BnType type;
  Input input;
  guint n;
  const char *hex;
} rows[] = {
  {BN_TYPE_Q4_0, INPUT_X, 32,
      "402ef258be1379df359bf147ac0268ce248a"},
  {BN_TYPE_Q4_1, INPUT_X, 32,
      "892e40baf257bd1379cf358ae146ac0268bd2479"},
  {BN_TYPE_Q5_0, INPUT_X, 32,
      "402ab4b4a525f4bf7b27e3ae5a16d19d4904c08c38f4"},
  {BN_TYPE_Q5_1, INPUT_X, 32,
      "532a40bab4b4a525f3bf6b27e2ae5a16d19d4904c07c38f3"},
  {BN_TYPE_Q8_0, INPUT_X, 32,
      "4d1e9dfb59b61472d02e8be947a50361be1c7ad73593f14fac0a68c62481df3d"
      "9af8"},
  {BN_TYPE_Q2_K, INPUT_X, 256,
      "bcdfeebeefaceeacdedecddffedeffce6cb51b6cc61ba1c66cb1db6cb61b6cc6"
      "1b71c618b1c66cb21b6dc618b1c628b168b1d66cb11b6c861bb1c66cb1d66cb2"
      "1b6d861b71c628b1d76cb61b6d861bb101289d2a"},
  {BN_TYPE_Q3_K, INPUT_X, 256,
      "66cdb366d9336c9936cc9b66cdb366d94d1ae74cb3e758b3ed18b74c9ae74cb3"
      "897833de9d7727ed886be2d97837de9ddb2f7589dc227688df2275c91f7285d8"
      "4827e28d7823de897722dd8877e29d785df2b79c2db68b5de2f7485d22b7882d"
      "66a260aa50aa660900fc003fdf9f"},
  {BN_TYPE_Q4_K, INPUT_X, 256,
      "de168022fffffffafff8fafaceafbfbcc2278dd3499e055ab1167cc2388de449"
      "af056bb1277cd3389ee45aa0166bc22748ad0469c0157bd1379cf358ae046ac0"
      "268be2379df359be157ad1268ce248ada0156bc1278cd3489e045ab0167bc237"
      "8de349ae056ab1267cd2389de459af15268ce248ad0459b0157bd1379ce348ae"
      "046ac0267bd2379df359be156ac1268c"},
  {BN_TYPE_Q5_K, INPUT_X, 256,
      "86125322fdfdfdfdfefbfdfeffcdedfd26cc9366c9336499324c9926cd9366d9"
      "336c9936cc9b66cdb366d9326c9936cca35f1bd6924e0ac6813df9b4602ce7a3"
      "5f1bd7924e0ac5713df8a4602ce7a35f915d09c5803cf8b36f2be7a26e1ad691"
      "4d09c4703cf7b37f2be7a25e1ad5814d702be7a35f1ad6924d09c5813cf8b460"
      "2be7935e1ad6924d09c5703cf8a46f2b5e1ad5915d09c5803cf8b36f2be6a25e"
      "1ad6914d09c4703cf7b36f2be7a25e1a"},
  {BN_TYPE_Q6_K, INPUT_X, 256,
      "45df28bc069f137cf08ad367f14ade285ed67df57c038b02aa22b931b85fd75e"
      "26ac058d037bf179d258d048ce27af2583fc741d960eb62fd840b961da53fb74"
      "d158bf37be25ad048b047bf37ad159d0c941ea63eb74fb741d951ea72fc841c9"
      "bf35ad169b048df26be069d147cf38bd1a922c840d85ed77ff57d038b04aa22b"
      "6cb11b6cc61b71c61cb1cb6cb21b6cc6e74d3ad04d37904ae7913ae44d3a904d"
      "18b1c66cb11b6c861b71c61cb1c76cb22453f9248ef9138ef4538d2452f9248e"
      "8d81877c897a8677807f897a867a8487758a"},
  {BN_TYPE_TQ1_0, INPUT_T, 256,
      "18a976cc36a4f09d51a4157d9ab135c2d549b8574b10500f33ab8c7045d1b81d"
      "dcd4a8989841ba3fbb7b5a5dbf48b68336a588db0038"},
  {BN_TYPE_TQ2_0, INPUT_T, 256,
      "60a94546a4291a59682920151982646256985201989068506402a5a118165204"
      "6919251514429a82198645456a905a55055468894aa8505aa0a490a182584024"
      "0038"},
  {BN_TYPE_IQ1_BN, INPUT_T, 64,
      "003846674632abe882ff6cb323311f"},
  {BN_TYPE_IQ2_BN, INPUT_T, 64,
      "0000003f48a119169021a22160294415a14a1842"},
};

static const char *const i2s_hex[] = {
  [BN_I2S_A] =
    "096a51911a68a4652968085464821989952685402606290519805a4a24948510"
    "696458541481a68264925151a906a55550152962a12a05a50a1a064a82250118",
  [BN_I2S_B] =
    "214a649406488a48096811544aa12481959a15049a926155a580a26250189584"
    "59494656268288a248854454a80288458451a14241265919622a162686594564",
  [BN_I2S_C] =
    "2665468521689958256824545a8129a594119244181221192282616618919002"
    "19a8545464818a92988605458922591554a5190aa92a91195206622282491144",
};

static const char *const tl1_hex =
    "1511672424815033808743685430533817520026586366718438474361248403"
    "4454310184744810773016853024158828676260366782213374241218545473";

static const char *const tl2_hex = /* indices, signs, pairs */
    "963635924c5cc32a84874b9b51b0124c9cd9bad06248cd564a9d95235425d6cc"
    "83850594b9a19787665d29986325387b6d14cd934948d76425c2b3a5a829462a"
    "2bc4c9b633d1385ca48bd9037a2d33924529a91c3155a1949c1b60c6b42a9717"
    "8d951dd639b63c17795a5c458259a785988bddc8d1d73715b53c44d521c75935"
    "43d643f9fc67180160b51c42d04c71c00d55c4576abcee4b7bb8486dd8ec3ffb"
    "2443547788363210878237432685213268805868235153560253746415776768"
    "2647673373843258755128655865418645831887076530580253728005172524"
    "2468313014835728554144663465121146316407155377870285838187221360"
    "5843627436184327677805684386863878707657430260752756113473040506"
    "8154011667434205781521556500026352270042447404348526525022272722"
    "6361602425876326605320801524218625244526231007672712806420205870"
    "5030848575604252057328017154541181830346560271668687117416320350"
    "6624361267627457112867506516254244885827565742842238045856441438";
/* clang-format on */

static void
test_encode (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const float *x = rows[i].input == INPUT_X ? input_x : input_t;
    const char *name = bn_type_info (rows[i].type)->name;
    gsize size;
    g_autofree guint8 *expected = from_hex (rows[i].hex, &size);
    g_autofree guint8 *found = g_malloc (size);

    g_assert_cmpuint (
        bn_type_tensor_size (rows[i].type, rows[i].n, 1), ==, size);
    bn_quantize_row_get (rows[i].type) (found, x, rows[i].n);
    assert_bytes (name, found, expected, size);
  }
}

static const struct {
  BnType type;
  guint element;
  float value;
} decoded[] = {
    {BN_TYPE_Q4_0, 0, -0.5859375f},
    {BN_TYPE_Q4_0, 1, 0},
    {BN_TYPE_Q4_0, 2, 0.5859375f},
    {BN_TYPE_Q4_0, 16, 0.68359375f},
    {BN_TYPE_Q5_0, 0, -0.5859375f},
    {BN_TYPE_Q5_0, 1, -0.048828125f},
    {BN_TYPE_Q5_0, 2, 0.537109375f},
    {BN_TYPE_Q5_0, 16, 0.732421875f},
    {BN_TYPE_Q8_0, 0, -0.609157562f},
    {BN_TYPE_Q8_0, 1, -0.0307655334f},
    {BN_TYPE_Q8_0, 2, 0.547626495f},
    {BN_TYPE_Q8_0, 16, 0.750679016f},
    {BN_TYPE_Q2_K, 0, -0.568328857f},
    {BN_TYPE_Q2_K, 1, -0.192962646f},
    {BN_TYPE_Q2_K, 2, 0.557769775f},
    {BN_TYPE_Q2_K, 100, 0.590454102f},
    {BN_TYPE_Q2_K, 255, 0.255859375f},
    {BN_TYPE_Q3_K, 0, -0.599555969f},
    {BN_TYPE_Q3_K, 1, 0},
    {BN_TYPE_Q3_K, 2, 0.599555969f},
    {BN_TYPE_Q3_K, 100, 0.399703979f},
    {BN_TYPE_Q3_K, 255, 0},
    {BN_TYPE_Q4_K, 0, -0.588558197f},
    {BN_TYPE_Q4_K, 1, -0.0604419708f},
    {BN_TYPE_Q4_K, 2, 0.573297501f},
    {BN_TYPE_Q4_K, 100, 0.430557251f},
    {BN_TYPE_Q4_K, 255, 0.0557250977f},
    {BN_TYPE_Q5_K, 0, -0.62009716f},
    {BN_TYPE_Q5_K, 1, -0.0371923447f},
    {BN_TYPE_Q5_K, 2, 0.545712471f},
    {BN_TYPE_Q5_K, 100, 0.399986267f},
    {BN_TYPE_Q5_K, 255, 0.0476064682f},
    {BN_TYPE_Q6_K, 0, -0.611849427f},
    {BN_TYPE_Q6_K, 1, -0.0226610899f},
    {BN_TYPE_Q6_K, 2, 0.543866158f},
    {BN_TYPE_Q6_K, 100, 0.384647369f},
    {BN_TYPE_Q6_K, 255, 0.0476868153f},
};

static void
test_decode (void)
{
  const float last_bits = 1e-7f;

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    gsize size;
    g_autofree guint8 *row = from_hex (rows[i].hex, &size);
    g_autofree float *y = g_new (float, rows[i].n);

    bn_dequantize_row_get (rows[i].type) (y, row, rows[i].n);
    for (gsize j = 0; j < G_N_ELEMENTS (decoded); j++) {
      if (decoded[j].type == rows[i].type)
        g_assert_cmpfloat_with_epsilon (
            y[decoded[j].element], decoded[j].value, last_bits);
    }
    /* ternary rows come back exactly */
    for (guint e = 0; e < rows[i].n && rows[i].input == INPUT_T; e++)
      g_assert_cmpfloat (y[e], ==, input_t[e]);
  }
}

/* Decoding is right for each element, not only for those in the table: what
 * an encoder made is near what it was made from. */
static void
test_round_trip (void)
{
  static const struct {
    BnType type;
    float error; /* of one element; X spans -0.78125..0.78125 */
  } bounds[] = {
      {BN_TYPE_F32, 0},
      {BN_TYPE_F16, 0},
      {BN_TYPE_BF16, 0},
      {BN_TYPE_Q4_0, 0.11f},
      {BN_TYPE_Q4_1, 0.06f},
      {BN_TYPE_Q5_0, 0.06f},
      {BN_TYPE_Q5_1, 0.03f},
      {BN_TYPE_Q8_0, 0.004f},
      {BN_TYPE_Q2_K, 0.3f},
      {BN_TYPE_Q3_K, 0.22f},
      {BN_TYPE_Q4_K, 0.07f},
      {BN_TYPE_Q5_K, 0.035f},
      {BN_TYPE_Q6_K, 0.03f},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bounds); i++) {
    gsize size = bn_type_tensor_size (bounds[i].type, N_INPUT, 1);
    g_autofree guint8 *row = g_malloc (size);
    float y[N_INPUT];

    bn_quantize_row_get (bounds[i].type) (row, input_x, N_INPUT);
    bn_dequantize_row_get (bounds[i].type) (y, row, N_INPUT);
    for (int e = 0; e < N_INPUT; e++) {
      if (!(fabsf (y[e] - input_x[e]) <= bounds[i].error))
        g_error ("%s: element %d is %g, was %g",
            bn_type_info (bounds[i].type)->name, e, (double) y[e],
            (double) input_x[e]);
    }
  }
}

/* Every byte in a block decodes to numbers: nothing is out of bounds. NaN,
 * infinity and extremes in, a valid block out. */
static void
test_any_bytes (void)
{
  const float extremes[] = {
      NAN, INFINITY, -INFINITY, 3.4e38f, -3.4e38f, 1e-45f, 0.0f, -1e-38f};

  for (int id = 0; id < 256; id++) {
    const BnTypeInfo *info = bn_type_info (id);
    BnDequantizeRow decode = info ? bn_dequantize_row_get (info->type) : NULL;
    BnQuantizeRow encode = info ? bn_quantize_row_get (info->type) : NULL;

    if (!decode)
      continue;
    for (int byte = 0; byte < 256; byte++) {
      gsize size = bn_type_tensor_size (info->type, N_INPUT, 1);
      g_autofree guint8 *row = g_malloc (size);
      float y[N_INPUT];

      memset (row, byte, size);
      decode (y, row, N_INPUT);
    }
    for (gsize i = 0; encode && i < 2 * G_N_ELEMENTS (extremes); i++) {
      gsize size = bn_type_tensor_size (info->type, N_INPUT, 1);
      g_autofree guint8 *row = g_malloc (size);
      float x[N_INPUT];

      memcpy (x, input_x, sizeof x);
      for (int e = 0; e < N_INPUT; e += i % 2 ? 1 : 7)
        x[e] = extremes[i / 2];
      encode (row, x, N_INPUT);
      decode (x, row, N_INPUT);
    }
  }
}

static void
test_halves (void)
{
  static const struct {
    float value;
    guint16 half;
  } halves[] = {{1, 0x3c00}, {-2, 0xc000}, {65504, 0x7bff}, {65520, 0x7c00},
      {0x1p-14f, 0x0400}, {0x1p-24f, 0x0001}, {0.1f, 0x2e66}, {0x1p-25f, 0},
      {0x1.8p-24f, 0x0002}, {INFINITY, 0x7c00}, {-0.0f, 0x8000}},
    brain[] = {{1, 0x3f80}, {0.1f, 0x3dcd}, {-3.14159f, 0xc049},
        {1.00390625f, 0x3f80}, {1.01171875f, 0x3f82}, {3.4e38f, 0x7f80}};

  for (gsize i = 0; i < G_N_ELEMENTS (halves); i++)
    g_assert_cmphex (bn_f32_to_f16 (halves[i].value), ==, halves[i].half);
  for (gsize i = 0; i < G_N_ELEMENTS (brain); i++)
    g_assert_cmphex (bn_f32_to_bf16 (brain[i].value), ==, brain[i].half);
  for (guint half = 0; half < 0x10000; half++) {
    float value = bn_f16_to_f32 ((guint16) half);
    gboolean is_nan = (half & 0x7fff) > 0x7c00;

    g_assert_cmpint (is_nan, ==, !!isnan (value));
    g_assert_cmphex (
        bn_f32_to_f16 (value), ==, is_nan ? (half & 0x8000) | 0x7e00 : half);
  }
  g_assert_cmpfloat (bn_f16_to_f32 (0x7c00), ==, INFINITY);
  g_assert_cmpfloat (bn_f16_to_f32 (0x03ff), ==, 0x1.ff8p-15f);
}

static void
test_rounding (void)
{
  g_assert_cmpint (bn_rne (0.5f), ==, 0);
  g_assert_cmpint (bn_rne (1.5f), ==, 2);
  g_assert_cmpint (bn_rne (-2.5f), ==, -2);
  g_assert_cmpint (bn_rne (-126.51f), ==, -127);
  g_assert_cmpint (bn_rhaz (0.5f), ==, 1);
  g_assert_cmpint (bn_rhaz (-0.5f), ==, -1);
  g_assert_cmpint (bn_rhaz (0.49999997f), ==, 0);
  g_assert_cmpint (bn_rhaz (2.5f), ==, 3);
  g_assert_cmpint (bn_trunc_clamp (NAN, 15), ==, 0);
  g_assert_cmpint (bn_trunc_clamp (1e30f, 15), ==, 15);
}

static void
test_ternary_rows (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    gsize size;
    g_autofree guint8 *row = from_hex (rows[i].hex, &size);
    g_autofree guint8 *codes = g_malloc (rows[i].n);
    float scale = 0;

    if (rows[i].input != INPUT_T)
      continue;
    g_assert_cmpint (
        bn_ternary_row_unpack (codes, &scale, rows[i].type, row, rows[i].n), ==,
        0);
    g_assert_cmpfloat (scale, ==, 0.5f);
    for (guint e = 0; e < rows[i].n; e++)
      g_assert_cmpint (codes[e], ==, ternary[e] + 1);
  }
}

/* Two blocks with different scales are no BN_PACK_TERNARY row; a code 3 is
 * found in the types that can hold one. */
static void
test_ternary_rows_refused (void)
{
  guint8 row[2 * sizeof (BnBlockTQ2_0)], codes[2 * BN_QK_K];
  float x[2 * BN_QK_K], scale;

  memcpy (x, input_t, sizeof input_t);
  for (int i = 0; i < BN_QK_K; i++)
    x[BN_QK_K + i] = 2 * input_t[i];
  bn_quantize_row_get (BN_TYPE_TQ2_0) (row, x, 2 * BN_QK_K);
  g_assert_cmpint (
      bn_ternary_row_unpack (codes, &scale, BN_TYPE_TQ2_0, row, 2 * BN_QK_K),
      ==, 1);
  bn_quantize_row_get (BN_TYPE_TQ1_0) (row, x, 2 * BN_QK_K);
  g_assert_cmpint (
      bn_ternary_row_unpack (codes, &scale, BN_TYPE_TQ1_0, row, 2 * BN_QK_K),
      ==, 1);
  bn_quantize_row_get (BN_TYPE_TQ2_0) (row, input_t, BN_QK_K);
  row[17] |= 0x30;
  g_assert_cmpint (
      bn_ternary_row_unpack (codes, &scale, BN_TYPE_TQ2_0, row, BN_QK_K), ==,
      -1);
  memset (row, 0, sizeof row);
  row[4 + 3] = 0xc0;
  g_assert_cmpint (
      bn_ternary_row_unpack (codes, &scale, BN_TYPE_IQ2_BN, row, 64), ==, -1);
}

static void
test_i2s (void)
{
  guint8 codes[N_INPUT], packed[N_INPUT / 4 + 32], found[N_INPUT];
  gsize size, bad = 0;

  for (int e = 0; e < N_INPUT; e++)
    codes[e] = (guint8) (ternary[e] + 1);
  for (int layout = BN_I2S_A; layout <= BN_I2S_C; layout++) {
    const char *name = (const char *[]){"A", "B", "C"}[layout];
    g_autofree guint8 *expected = from_hex (i2s_hex[layout], &size);
    guint n_rows = 4, n_cols = 64;

    memset (packed, 0xff, sizeof packed);
    bn_i2s_pack (packed, codes, n_rows, n_cols, layout, 0.5f);
    assert_bytes (name, packed, expected, size);
    for (guint i = (guint) size + 4; i < sizeof packed; i++)
      g_assert_cmphex (packed[i], ==, 0);
    g_assert_cmpfloat (
        bn_ternary_tensor_scale (BN_TYPE_I2_S, packed, n_rows, n_cols), ==,
        0.5f);
    for (guint begin = 0; begin <= n_rows; begin++) {
      for (guint end = begin; end <= n_rows; end++) {
        memset (found, 0xff, sizeof found);
        g_assert_cmpint (bn_i2s_unpack (found, packed, n_rows, n_cols, begin,
                             end, layout, &bad),
            ==, 0);
        assert_bytes (
            name, found, codes + begin * n_cols, (end - begin) * n_cols);
        if (end < n_rows)
          g_assert_cmphex (found[(end - begin) * n_cols], ==, 0xff);
      }
    }
    packed[41] |= 0x0c;
    g_assert_cmpint (
        bn_i2s_unpack (found, packed, n_rows, n_cols, 0, n_rows, layout, &bad),
        ==, -1);
    g_assert_cmpuint (bad, ==, 41);
  }
  g_assert_cmpint (
      bn_i2s_unpack (found, packed, 3, 64, 0, 3, BN_I2S_A, &bad), ==, -2);
  g_assert_cmpint (
      bn_i2s_unpack (found, packed, 3, 64, 0, 3, BN_I2S_C, &bad), ==, -2);
}

static void
test_tl1 (void)
{
  enum { ROWS = 32, COLS = 8 };
  const BnTlTiles tiles = {32, 8, 32};
  gsize size, bad = 0;
  g_autofree guint8 *data = from_hex (tl1_hex, &size);
  guint8 codes[ROWS * COLS];

  g_assert_cmpuint (size, ==, ROWS * COLS / 4);
  g_assert_cmpint (
      bn_tl1_unpack_tiles (codes, data, ROWS, COLS, 0, ROWS, &tiles, &bad), ==,
      0);
  for (int e = 0; e < ROWS * COLS; e++)
    g_assert_cmpint (codes[e], ==, ternary[e] + 1);
  g_assert_cmpint (
      bn_tl1_unpack_tiles (codes, data, ROWS, COLS, 7, 9, &tiles, &bad), ==, 0);
  for (int e = 0; e < 2 * COLS; e++)
    g_assert_cmpint (codes[e], ==, ternary[7 * COLS + e] + 1);
  data[33] = 0x90; /* pair code 9 */
  g_assert_cmpint (
      bn_tl1_unpack_tiles (codes, data, ROWS, COLS, 0, ROWS, &tiles, &bad), ==,
      -1);
  g_assert_cmpuint (bad, ==, 33);
  g_assert_cmpint (
      bn_tl1_unpack (codes, data, ROWS, COLS, 0, ROWS, &bad), ==, -2);
}

static void
test_tl2 (void)
{
  enum { ROWS = 32, COLS = 56 };
  const BnTlTiles tiles = {32, 24, 32};
  gsize size, bad = 0;
  g_autofree guint8 *data = from_hex (tl2_hex, &size);
  guint8 codes[ROWS * COLS];

  g_assert_cmpuint (size, ==, 128 + 32 + 256);
  g_assert_cmpint (
      bn_tl2_unpack_tiles (codes, data, ROWS, COLS, 0, ROWS, &tiles, 24, &bad),
      ==, 0);
  for (int e = 0; e < ROWS * COLS; e++)
    g_assert_cmpint (codes[e], ==, ternary[e] + 1);
  data[5] = 0x0e; /* index 14 */
  g_assert_cmpint (
      bn_tl2_unpack_tiles (codes, data, ROWS, COLS, 0, ROWS, &tiles, 24, &bad),
      ==, -1);
  g_assert_cmpuint (bad, ==, 5);
  g_assert_cmpint (
      bn_tl2_unpack (codes, data, ROWS, COLS, 0, ROWS, &bad), ==, -2);
}

/* A tensor of each preset: all regions lie in front of the scale, and every
 * byte is read as one place. */
static void
test_tl_presets (void)
{
  static const guint shapes[][2] = {{1536, 4096}, {1536, 1536}, {4096, 1536},
      {3200, 8640}, {3200, 3200}, {8640, 3200}, {14336, 4096}, {4096, 14336},
      {1024, 4096}, {4096, 4096}};

  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++) {
    guint n_rows = shapes[i][0], n_cols = shapes[i][1];
    g_autofree guint8 *codes = g_malloc (n_cols);

    for (int type = BN_TYPE_TL1; type <= BN_TYPE_TL2; type++) {
      gsize size = bn_type_tensor_size (type, n_cols, n_rows), bad;
      g_autofree guint8 *data = g_malloc0 (size);
      float scale = 0.25f;
      int (*unpack) (uint8_t *, const void *, uint32_t, uint32_t, uint32_t,
          uint32_t, size_t *) =
          type == BN_TYPE_TL1 ? bn_tl1_unpack : bn_tl2_unpack;

      memcpy (data + size - 32, &scale, sizeof scale);
      g_assert_cmpint (
          unpack (codes, data, n_rows, n_cols, n_rows - 1, n_rows, &bad), ==,
          0);
      g_assert_cmpfloat (
          bn_ternary_tensor_scale (type, data, n_rows, n_cols), ==, scale);
    }
  }
}

/* The activation blocks of section 4.2 and the row of section 6.3. */
static void
test_activations (void)
{
  static const gint8 first[] = {-99, -5, 89, -74, 20, 114, -48, 46};
  _Alignas(BN_ALIGN) guint8 row[BN_ALIGN + N_INPUT];
  _Alignas(BN_ALIGN) BnActQ8_K block;
  const BnActI8 *head = (const BnActI8 *) row;
  BnKernels k;
  int sum = 0;

  bn_kernels_init (&k, 0);
  k.quantize[BN_ACT_Q8_K](&block, input_x, N_INPUT);
  g_assert_cmphex (bn_f32_bits (block.d), ==, 0x3bc99326);
  assert_bytes (
      "Q8_K", (const guint8 *) block.qs, (const guint8 *) first, sizeof first);
  g_assert_cmpint (block.sums[0], ==, -55);
  for (int j = 0; j < 16; j++)
    sum += block.sums[j];
  g_assert_cmpint (sum, ==, -159);

  k.quantize[BN_ACT_I8](row, input_x, 128);
  g_assert_cmpfloat_with_epsilon (head->scale, 162.56f, 1e-5f);
  assert_bytes ("I8", row + BN_ALIGN, (const guint8 *) first, sizeof first);
  g_assert_cmpint (head->sum, ==, 42);
}

/* Products of the worked examples: TQ2_0 with Q8_K (section 5), ternary with
 * one row scale (section 6.3), every level of the processor. */
static void
test_products (void)
{
  const unsigned levels[] = {0, ~0u};

  for (gsize i = 0; i < G_N_ELEMENTS (levels); i++) {
    _Alignas(BN_ALIGN) guint8 act[512], weights[512];
    guint8 codes[128], tq[66];
    float scale = 0.5f, y = 0;
    BnMatrix w = {BN_PACK_TQ2_0, 1, N_INPUT, tq, NULL};
    BnKernels k;

    bn_kernels_init (&k, levels[i]);
    bn_quantize_row_get (BN_TYPE_TQ2_0) (tq, input_t, N_INPUT);
    k.quantize[BN_ACT_Q8_K](act, input_x, N_INPUT);
    k.in_place[BN_PACK_TQ2_0].matmul (&y, 1, &w, 0, 1, act, sizeof act, 1);
    g_assert_cmpfloat_with_epsilon (y, -3.998523529f, 1e-6f);

    for (int e = 0; e < 128; e++)
      codes[e] = (guint8) (ternary[e] + 1);
    g_assert_cmpuint (
        k.matmul[BN_PACK_TERNARY].packed_size (1, 128), <=, sizeof weights);
    k.matmul[BN_PACK_TERNARY].pack (weights, codes, 1, 128, 0, 1);
    k.quantize[BN_ACT_I8](act, input_x, 128);
    w = (BnMatrix){BN_PACK_TERNARY, 1, 128, weights, &scale};
    k.matmul[BN_PACK_TERNARY].matmul (&y, 1, &w, 0, 1, act, sizeof act, 1);
    g_assert_cmpfloat (y, ==, -832.0f / 162.56f * 0.5f);
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  make_inputs ();
  g_test_add_func ("/quants/encode", test_encode);
  g_test_add_func ("/quants/decode", test_decode);
  g_test_add_func ("/quants/round-trip", test_round_trip);
  g_test_add_func ("/quants/any-bytes", test_any_bytes);
  g_test_add_func ("/quants/halves", test_halves);
  g_test_add_func ("/quants/rounding", test_rounding);
  g_test_add_func ("/quants/ternary-rows", test_ternary_rows);
  g_test_add_func ("/quants/ternary-rows/refused", test_ternary_rows_refused);
  g_test_add_func ("/quants/C57/i2s", test_i2s);
  g_test_add_func ("/quants/C57/tl1", test_tl1);
  g_test_add_func ("/quants/C57/tl2", test_tl2);
  g_test_add_func ("/quants/C57/tl-presets", test_tl_presets);
  g_test_add_func ("/quants/activations", test_activations);
  g_test_add_func ("/quants/products", test_products);
  return g_test_run ();
}
