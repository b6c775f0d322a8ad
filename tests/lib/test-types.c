/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The type table: sizes against the worked figures of gguf.md. */
#include <glib.h>
#include "bn-types.h"

static const struct {
  BnType type;
  uint64_t n_cols, n_rows, size;
} sizes[] = {
    {BN_TYPE_F32, 4, 2, 32},
    {BN_TYPE_Q8_0, 32, 1, 34},
    {BN_TYPE_Q8_0, 33, 1, 0},
    {BN_TYPE_Q6_K, 256, 3, 630},
    {BN_TYPE_I2_S, 2560, 6912, 4423712},
    {BN_TYPE_TL2, 3200, 3200, 2167520},
    {BN_TYPE_IQ2_BN, 2560, 6912, 4451328},
    {BN_TYPE_F32, UINT64_C (1) << 32, UINT64_C (1) << 32, 0},
    {BN_TYPE_F32, 0, 4, 0},
    {(BnType) 4, 32, 1, 0},
};

static void
test_sizes (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    g_assert_cmpuint (
        bn_type_tensor_size (sizes[i].type, sizes[i].n_cols, sizes[i].n_rows),
        ==, sizes[i].size);
}

static void
test_names (void)
{
  g_assert_cmpint (bn_type_info_by_name ("i2_s")->type, ==, BN_TYPE_I2_S);
  g_assert_null (bn_type_info_by_name ("Q9_9"));
  g_assert_null (bn_type_info (5));
  g_assert_cmpstr (bn_type_id_name (18), ==, "IQ3_XXS");
  g_assert_null (bn_type_id_name (9999));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/types/sizes", test_sizes);
  g_test_add_func ("/types/names", test_names);
  return g_test_run ();
}
