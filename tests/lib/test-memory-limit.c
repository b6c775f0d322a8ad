/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the system says about memory, from trees of files like its own; and a
 * model that is too large: an error before it is loaded, after which the
 * process goes on. */
#define _GNU_SOURCE /* truncate */
#include "bn-memory-limit.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "bitnet.h"
#include "test-folder.h"
#include "tiny-model.h"

#define GROUPS "sys/fs/cgroup/"
#define MEMINFO                                                                \
  "MemTotal:       16000000 kB\n"                                              \
  "MemFree:          100000 kB\n"                                              \
  "MemAvailable:    8000000 kB\n"
#define KIB UINT64_C (1024)
#define MIB (1024 * KIB)

/* ---- the system ---- */

static const struct {
  const char *name;
  const char *files[8][2];
  uint64_t available;
  const char *limit;
} cases[] = {
    {"nothing-is-known", {{NULL}}, UINT64_MAX, "nothing"},
    {"machine", {{"proc/meminfo", MEMINFO}}, 8000000 * KIB, "machine"},
    {"old-kernel", {{"proc/meminfo", "MemTotal: 16000000 kB\n"}}, UINT64_MAX,
        "nothing"},
    {"garbage",
        {{"proc/meminfo", "MemAvailable: lots\n\n"},
            {"proc/self/cgroup", "0::\n::::\n0"}, {GROUPS "memory.max", "12"}},
        UINT64_MAX, "nothing"},
    {"version-2",
        {{"proc/meminfo", MEMINFO}, {"proc/self/cgroup", "0::/box\n"},
            {GROUPS "box/memory.max", "1000000\n"},
            {GROUPS "box/memory.current", "400000\n"}},
        600000, "control group"},
    {"version-2-gives-up-files",
        {{"proc/meminfo", MEMINFO}, {"proc/self/cgroup", "0::/box\n"},
            {GROUPS "box/memory.max", "1000000\n"},
            {GROUPS "box/memory.current", "900000\n"},
            {GROUPS "box/memory.stat",
                "anon 100000\nfile 800000\nactive_file 300000\n"
                "inactive_file 200000\n"}},
        600000, "control group"},
    {"version-2-above",
        {{"proc/meminfo", MEMINFO}, {"proc/self/cgroup", "0::/a/b\n"},
            {GROUPS "a/memory.max", "1000000\n"},
            {GROUPS "a/memory.current", "999999\n"},
            {GROUPS "a/b/memory.max", "5000000\n"},
            {GROUPS "a/b/memory.current", "1\n"}},
        1, "control group"},
    {"version-2-without-limit",
        {{"proc/meminfo", MEMINFO}, {"proc/self/cgroup", "0::/box\n"},
            {GROUPS "box/memory.max", "max\n"},
            {GROUPS "box/memory.current", "400000\n"}},
        8000000 * KIB, "machine"},
    {"more-used-than-allowed",
        {{"proc/meminfo", MEMINFO}, {"proc/self/cgroup", "0::/\n"},
            {GROUPS "memory.max", "1000\n"},
            {GROUPS "memory.current", "4000\n"}},
        0, "control group"},
    {"version-1",
        {{"proc/meminfo", MEMINFO}, {"proc/self/cgroup", "4:memory:/box\n"},
            {GROUPS "memory/box/memory.limit_in_bytes", "1000000\n"},
            {GROUPS "memory/box/memory.usage_in_bytes", "900000\n"},
            {GROUPS "memory/box/memory.stat",
                "cache 1\ntotal_inactive_file 100000\n"
                "total_active_file 50000\n"}},
        250000, "control group"},
    {"version-1-seen-from-a-container",
        {{"proc/meminfo", MEMINFO},
            {"proc/self/cgroup", "4:memory:/host/path\n"},
            {GROUPS "memory/memory.limit_in_bytes", "70000\n"},
            {GROUPS "memory/memory.usage_in_bytes", "20000\n"}},
        50000, "control group"},
    {"version-1-without-limit",
        {{"proc/meminfo", MEMINFO}, {"proc/self/cgroup", "4:memory:/\n"},
            {GROUPS "memory/memory.limit_in_bytes", "9223372036854771712\n"},
            {GROUPS "memory/memory.usage_in_bytes", "20000\n"}},
        8000000 * KIB, "machine"},
};

static char *
make_tree (guint index)
{
  char *root = test_folder_new ();

  for (guint i = 0; i < G_N_ELEMENTS (cases[0].files); i++) {
    if (cases[index].files[i][0] != NULL)
      g_free (test_folder_write (
          root, cases[index].files[i][0], cases[index].files[i][1], -1));
  }
  return root;
}

static void
test_available (gconstpointer data)
{
  const guint index = GPOINTER_TO_UINT (data);
  char *root = make_tree (index);
  const char *limit;

  g_assert_cmpuint (
      bn_memory_get_available (root, &limit), ==, cases[index].available);
  g_assert_nonnull (strstr (limit, cases[index].limit));
  test_folder_remove (root);
}

/* ---- the question ---- */

static void
test_check (void)
{
  const BnMemoryNeed fits = {.weights = 4000 * MIB,
      .mapped = 3000 * MIB,
      .scratch = 500 * MIB,
      .cache = 300 * MIB};
  const BnMemoryNeed too_much = {.weights = 9000 * MIB, .scratch = 100 * MIB};
  const BnMemoryNeed mapped = {.mapped = 9000 * MIB};
  const BnMemoryNeed endless = {.weights = UINT64_MAX - 5, .cache = 7};
  char *root = make_tree (1);
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) of_mapped = NULL;
  g_autoptr (GError) of_endless = NULL;

  g_assert_true (bn_memory_check (root, "m.gguf", &fits, &error));
  g_assert_no_error (error);
  g_assert_false (bn_memory_check (root, "m.gguf", &too_much, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY);
  g_assert_true (g_str_has_prefix (error->message, "m.gguf: "));
  for (guint i = 0; i < 5; i++) {
    static const char *const parts[] = {"9100 MiB", "9000 for its weights",
        "7812 MiB", "repack=never", "BITNET_MEMORY_LIMIT=0"};
    g_assert_nonnull (strstr (error->message, parts[i]));
  }
  /* A file can be dropped from memory, but not used from there then. */
  g_assert_false (bn_memory_check (root, "m.gguf", &mapped, &of_mapped));
  g_assert_null (strstr (of_mapped->message, "repack=never"));
  g_assert_false (bn_memory_check (root, "m.gguf", &endless, &of_endless));
  test_folder_remove (root);
}

static void
test_variable (void)
{
  const BnMemoryNeed need = {.weights = 10 * MIB};
  char *root = make_tree (1);

  g_setenv ("BITNET_MEMORY_LIMIT", "9", TRUE);
  g_assert_false (bn_memory_check (root, "m.gguf", &need, NULL));
  g_setenv ("BITNET_MEMORY_LIMIT", "10", TRUE);
  g_assert_true (bn_memory_check (root, "m.gguf", &need, NULL));
  g_setenv ("BITNET_MEMORY_LIMIT", "0", TRUE);
  const BnMemoryNeed endless = {.weights = UINT64_MAX};
  g_assert_true (bn_memory_check (root, "m.gguf", &endless, NULL));
  g_unsetenv ("BITNET_MEMORY_LIMIT");
  test_folder_remove (root);
}

/* ---- loading ---- */

static BitnetEngine *
make_engine (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetModel) model =
      bitnet_model_new_from_file (path, NULL, &error);

  g_assert_no_error (error);
  BitnetEngine *engine = bitnet_model_get_engine (model, NULL, &error);
  g_assert_no_error (error);
  return engine;
}

static char *
write_model (const char *folder)
{
  char *path = g_build_filename (folder, "small.gguf", NULL);
  g_autoptr (TinyModel) tiny = tiny_model_new (
      &(TinySpec){.arch = "llama", .type = BN_TYPE_F16, .n_ff = 4096});

  tiny_model_write (tiny, path);
  return path;
}

static void
test_load_again (void)
{
  char *folder = test_folder_new ();
  g_autofree char *path = write_model (folder);
  g_autoptr (BitnetEngine) engine = make_engine (path);
  g_autoptr (GError) error = NULL;

  g_setenv ("BITNET_MEMORY_LIMIT", "1", TRUE);
  for (int i = 0; i < 2; i++) {
    g_assert_false (bitnet_engine_load (engine, NULL, NULL, NULL, &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY);
    g_clear_error (&error);
  }
  g_unsetenv ("BITNET_MEMORY_LIMIT");
  g_assert_true (bitnet_engine_load (engine, NULL, NULL, NULL, &error));
  g_assert_no_error (error);
  test_folder_remove (folder);
}

/* A file in which nothing is written of the feed-forward part, three
 * matrices of WIDE columns or rows. */
enum { EMBD = 1 << 16, WIDE = 1 << 20, VOCAB = 32, HEADS = 512 };

static void
add_tensor (BnGgufWriter *writer, uint64_t *size, const char *name, BnType type,
    uint64_t n_cols, uint64_t n_rows)
{
  const uint64_t ne[] = {n_cols, n_rows};

  bn_gguf_writer_add_tensor (writer, name, type, n_rows > 1 ? 2 : 1, ne);
  *size += (bn_type_tensor_size (type, n_cols, n_rows) + 31) / 32 * 32;
}

static BnGgufWriter *
begin_sparse (const char *path, uint64_t *size)
{
  g_autoptr (GError) error = NULL;
  BnGgufWriter *writer = bn_gguf_writer_new (path, &error);
  const uint64_t kv = EMBD / HEADS;

  g_assert_no_error (error);
  bn_gguf_writer_add_string (writer, "general.architecture", "llama");
  bn_gguf_writer_add_uint32 (writer, "llama.context_length", 64);
  bn_gguf_writer_add_uint32 (writer, "llama.embedding_length", EMBD);
  bn_gguf_writer_add_uint32 (writer, "llama.block_count", 1);
  bn_gguf_writer_add_uint32 (writer, "llama.feed_forward_length", WIDE);
  bn_gguf_writer_add_uint32 (writer, "llama.attention.head_count", HEADS);
  bn_gguf_writer_add_uint32 (writer, "llama.attention.head_count_kv", 1);
  bn_gguf_writer_add_float (
      writer, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
  *size = 0;
  add_tensor (writer, size, "token_embd.weight", BN_TYPE_F16, EMBD, VOCAB);
  add_tensor (writer, size, "output_norm.weight", BN_TYPE_F32, EMBD, 1);
  add_tensor (writer, size, "blk.0.attn_norm.weight", BN_TYPE_F32, EMBD, 1);
  add_tensor (writer, size, "blk.0.ffn_norm.weight", BN_TYPE_F32, EMBD, 1);
  add_tensor (writer, size, "blk.0.attn_q.weight", BN_TYPE_F16, EMBD, EMBD);
  add_tensor (writer, size, "blk.0.attn_k.weight", BN_TYPE_F16, EMBD, kv);
  add_tensor (writer, size, "blk.0.attn_v.weight", BN_TYPE_F16, EMBD, kv);
  add_tensor (
      writer, size, "blk.0.attn_output.weight", BN_TYPE_F16, EMBD, EMBD);
  add_tensor (writer, size, "blk.0.ffn_gate.weight", BN_TYPE_F16, EMBD, WIDE);
  add_tensor (writer, size, "blk.0.ffn_up.weight", BN_TYPE_F16, EMBD, WIDE);
  add_tensor (writer, size, "blk.0.ffn_down.weight", BN_TYPE_F16, WIDE, EMBD);
  return writer;
}

/* Keeps the file that the writer has begun, with a hole for the tensors. FALSE
 * if the file system has no such files. */
static gboolean
end_sparse (
    BnGgufWriter *writer, const char *folder, const char *path, uint64_t size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = NULL;
  g_autofree char *temporary = NULL;
  GStatBuf state;

  bn_gguf_writer_write (writer, "", 0, &error);
  g_assert_no_error (error);
  dir = g_dir_open (folder, 0, &error);
  g_assert_no_error (error);
  temporary = g_build_filename (folder, g_dir_read_name (dir), NULL);
  gboolean is_linked = link (temporary, path) == 0;
  bn_gguf_writer_free (writer);
  return is_linked && g_stat (path, &state) == 0
         && truncate (path, state.st_size + (off_t) size) == 0;
}

static void
test_sparse (gconstpointer data)
{
  const BitnetEngineOptions options = {
      .repack = (BitnetRepack) GPOINTER_TO_INT (data)};
  char *folder = test_folder_new ();
  g_autofree char *path = g_build_filename (folder, "huge.gguf", NULL);
  g_autofree char *small = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BitnetModel) model = NULL;
  const char *limit;
  uint64_t size;
  BnGgufWriter *writer = begin_sparse (path, &size);

  if (!end_sparse (writer, folder, path, size)) {
    test_folder_remove (folder);
    g_test_skip ("no sparse files in the temporary folder");
    return;
  }
  if (bn_memory_get_available ("", &limit) > size / 2)
    g_setenv ("BITNET_MEMORY_LIMIT", "1000", TRUE);
  model = bitnet_model_new_from_file (path, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (BitnetEngine) engine =
      bitnet_model_get_engine (model, &options, &error);
  g_assert_no_error (error);
  g_assert_false (bitnet_engine_load (engine, NULL, NULL, NULL, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_OUT_OF_MEMORY);
  g_assert_nonnull (strstr (error->message, "huge.gguf: the model needs "));
  g_clear_error (&error);
  g_unsetenv ("BITNET_MEMORY_LIMIT");

  small = write_model (folder);
  g_autoptr (BitnetEngine) other = make_engine (small);
  g_assert_true (bitnet_engine_load (other, NULL, NULL, NULL, &error));
  g_assert_no_error (error);
  test_folder_remove (folder);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path =
        g_strconcat ("/memory-limit/available/", cases[i].name, NULL);
    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_available);
  }
  g_test_add_func ("/memory-limit/C64/check", test_check);
  g_test_add_func ("/memory-limit/variable", test_variable);
  g_test_add_func ("/memory-limit/load-again", test_load_again);
  g_test_add_data_func ("/memory-limit/sparse-file",
      GINT_TO_POINTER (BITNET_REPACK_AUTO), test_sparse);
  g_test_add_data_func ("/memory-limit/sparse-file-in-place",
      GINT_TO_POINTER (BITNET_REPACK_NEVER), test_sparse);
  return g_test_run ();
}
