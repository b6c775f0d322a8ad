/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Headers of ranges, and the choice of a model among the files of a
 * repository. */
#include <gio/gio.h>
#include <string.h>

#include "bn-model-choice.h"
#include "bn-transfer.h"

static void
test_content_range (void)
{
  static const struct {
    const char *text;
    gint64 first, last, total;
    gboolean is_good;
  } cases[] = {{"bytes 5-9/10", 5, 9, 10, TRUE}, {"BYTES 0-0/1", 0, 0, 1, TRUE},
      {"bytes 5-9/*", 5, 9, -1, TRUE}, {"bytes */10", -1, -1, 10, TRUE},
      {"bytes  5-9/10", 5, 9, 10, TRUE},
      {"bytes 0-9223372036854775806/9223372036854775807", 0,
          G_GINT64_CONSTANT (9223372036854775806), G_MAXINT64, TRUE},
      {"bytes */*", 0, 0, 0, FALSE}, {"bytes 9-5/10", 0, 0, 0, FALSE},
      {"bytes 5-10/10", 0, 0, 0, FALSE}, {"bytes 5-9", 0, 0, 0, FALSE},
      {"bytes 5-/10", 0, 0, 0, FALSE}, {"bytes -5/10", 0, 0, 0, FALSE},
      {"bytes 5-9/10x", 0, 0, 0, FALSE}, {"bytes 5-9/*x", 0, 0, 0, FALSE},
      {"items 5-9/10", 0, 0, 0, FALSE}, {"5-9/10", 0, 0, 0, FALSE},
      {"bytes", 0, 0, 0, FALSE}, {"bytes ", 0, 0, 0, FALSE},
      {"", 0, 0, 0, FALSE}, {NULL, 0, 0, 0, FALSE},
      {"bytes 0-9223372036854775808/*", 0, 0, 0, FALSE},
      {"bytes 99999999999999999999999-99999999999999999999999/*", 0, 0, 0,
          FALSE},
      {"bytes +5-9/10", 0, 0, 0, FALSE}};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    gint64 first, last, total;
    gboolean is_good =
        bn_content_range_parse (cases[i].text, &first, &last, &total);

    g_test_message ("%s", cases[i].text);
    g_assert_cmpint (is_good, ==, cases[i].is_good);
    if (is_good) {
      g_assert_cmpint (first, ==, cases[i].first);
      g_assert_cmpint (last, ==, cases[i].last);
      g_assert_cmpint (total, ==, cases[i].total);
    }
  }
}

static void
test_choice (void)
{
  static const struct {
    const char *names, *quant, *expected;
  } cases[] = {
      {"README.md m-Q4_K_M.gguf m-Q8_0.gguf", NULL, "m-Q4_K_M.gguf"},
      {"m-Q8_0.gguf m-q4_k_m.gguf", NULL, "m-q4_k_m.gguf"},
      {"m-Q8_0.gguf m-Q6_K.gguf", NULL, "m-Q8_0.gguf"},
      {"m.gguf", NULL, "m.gguf"},
      {"m-Q4_K_M.gguf m-Q8_0.gguf", "q8_0", "m-Q8_0.gguf"},
      {"m.Q8_0.gguf", "Q8_0", "m.Q8_0.gguf"},
      {"ggml-model-i2_s.gguf", "I2_S", "ggml-model-i2_s.gguf"},
      {"m-Q4_K_M-extra.gguf m-Q4_K_S.gguf", "Q4_K_M", "m-Q4_K_M-extra.gguf"},
      {"m-Q4_K_M-extra.gguf m-Q4_K_M.gguf", "Q4_K_M", "m-Q4_K_M.gguf"},
      {"m-IQ4_K_M.gguf m-XQ4_K_MX.gguf", "Q4_K_M", NULL},
      {"m-Q4_K_M.gguf", "Q4_K", NULL},
      {"m-Q4_K_M.gguf", "Q8_0", NULL},
      {"Q8_0/m-00001-of-00002.gguf Q8_0/m-00002-of-00002.gguf", "Q8_0",
          "Q8_0/m-00001-of-00002.gguf"},
      {"m-Q8_0-00002-of-00002.gguf m-Q8_0-00001-of-00002.gguf", "Q8_0",
          "m-Q8_0-00001-of-00002.gguf"},
      {"m-00002-of-00002.gguf m-00001-of-00002.gguf", NULL,
          "m-00001-of-00002.gguf"},
      {"mmproj-Q4_K_M.gguf m-Q8_0.gguf", NULL, "m-Q8_0.gguf"},
      {"a.txt b.bin", NULL, NULL},
      {".gguf", NULL, NULL},
      {"", NULL, NULL},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_auto (GStrv) texts = g_strsplit (cases[i].names, " ", -1);
    g_autoptr (GPtrArray) names = g_ptr_array_new ();

    for (gsize j = 0; texts[j]; j++)
      g_ptr_array_add (names, texts[j]);
    g_test_message ("%s: %s", cases[i].names, cases[i].quant);
    g_assert_cmpstr (
        bn_model_choose (names, cases[i].quant), ==, cases[i].expected);
  }
}

static void
test_parts (void)
{
  static const struct {
    const char *name;
    guint n;
    const char *last;
  } cases[] = {{"a/m-00001-of-00003.gguf", 3, "a/m-00003-of-00003.gguf"},
      {"m-00001-of-00001.gguf", 1, "m-00001-of-00001.gguf"},
      {"m-00002-of-00003.gguf", 1, NULL}, {"m.gguf", 1, "m.gguf"},
      {"m-00000-of-00003.gguf", 1, NULL}, {"m-00001-of-00000.gguf", 1, NULL},
      {"m-00001-of-99999.gguf", 1, NULL}, {"m-0001-of-0003.gguf", 1, NULL},
      {"m-00001-of-00003.GGUF", 3, "m-00003-of-00003.GGUF"},
      {"m-00001-of-00003.bin", 1, NULL}, {"", 1, NULL}};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_test_message ("%s", cases[i].name);
    g_assert_cmpuint (bn_model_get_n_parts (cases[i].name), ==, cases[i].n);
    if (cases[i].last) {
      g_autofree char *last = bn_model_dup_part (cases[i].name, cases[i].n - 1);

      g_assert_cmpstr (last, ==, cases[i].last);
    }
  }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/transfer/C21/content-range", test_content_range);
  g_test_add_func ("/model-choice/labels", test_choice);
  g_test_add_func ("/model-choice/parts", test_parts);
  return g_test_run ();
}
