/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which processors get a thread, from trees of files like those of the system:
 * threads of one core, unequal cores, control groups, nothing, nonsense. */
#include "bn-cpu-topology.h"

#include <string.h>

#include "test-folder.h"

#define CPU "sys/devices/system/cpu/cpu"
#define GROUPS "sys/fs/cgroup/"

enum { MAX_FILES = 20, MAX_CPUS = 10 };

static const struct {
  const char *name;
  int n_allowed; /* 0 to n_allowed - 1, unless allowed says otherwise */
  int allowed[MAX_CPUS];
  const char *files[MAX_FILES][2];
  const char *chosen;
} cases[] = {
    {"nothing-is-known", 4, {0}, {{NULL}}, "0 1 2 3"},
    {"none-allowed", 0, {0}, {{NULL}}, "0"},
    {"two-threads-a-core", 4, {0},
        {{CPU "0/topology/thread_siblings_list", "0,2\n"},
            {CPU "1/topology/thread_siblings_list", "1,3\n"},
            {CPU "2/topology/thread_siblings_list", "0,2\n"},
            {CPU "3/topology/thread_siblings_list", "1,3\n"}},
        "0 1"},
    {"siblings-are-a-range", 4, {0},
        {{CPU "0/topology/thread_siblings_list", "0-1\n"},
            {CPU "1/topology/thread_siblings_list", "0-1\n"},
            {CPU "2/topology/thread_siblings_list", "2-3\n"},
            {CPU "3/topology/thread_siblings_list", "2-3\n"}},
        "0 2"},
    {"the-first-sibling-is-not-allowed", 2, {3, 5},
        {{CPU "3/topology/thread_siblings_list", "1,3\n"},
            {CPU "5/topology/thread_siblings_list", "4-5\n"}},
        "3 5"},
    {"big-and-little", 4, {0},
        {{CPU "0/cpu_capacity", "446\n"}, {CPU "1/cpu_capacity", "446\n"},
            {CPU "2/cpu_capacity", "1024\n"}, {CPU "3/cpu_capacity", "1024\n"}},
        "2 3"},
    {"three-kinds", 5, {0},
        {{CPU "0/cpu_capacity", "250\n"}, {CPU "1/cpu_capacity", "600\n"},
            {CPU "2/cpu_capacity", "600\n"}, {CPU "3/cpu_capacity", "1024\n"},
            {CPU "4/cpu_capacity", "512\n"}},
        "3 1 2 4"},
    {"big-ones-are-not-allowed", 2, {0, 1},
        {{CPU "0/cpu_capacity", "446\n"}, {CPU "1/cpu_capacity", "446\n"},
            {CPU "2/cpu_capacity", "1024\n"}},
        "0 1"},
    {"frequencies", 3, {0},
        {{CPU "0/cpufreq/cpuinfo_max_freq", "5200000\n"},
            {CPU "1/cpufreq/cpuinfo_max_freq", "5400000\n"},
            {CPU "2/cpufreq/cpuinfo_max_freq", "2000000\n"}},
        "1 0"},
    {"hybrid-with-threads", 6, {0},
        {{CPU "0/cpufreq/cpuinfo_max_freq", "5000000\n"},
            {CPU "1/cpufreq/cpuinfo_max_freq", "5000000\n"},
            {CPU "2/cpufreq/cpuinfo_max_freq", "5000000\n"},
            {CPU "3/cpufreq/cpuinfo_max_freq", "5000000\n"},
            {CPU "4/cpufreq/cpuinfo_max_freq", "3800000\n"},
            {CPU "5/cpufreq/cpuinfo_max_freq", "1200000\n"},
            {CPU "0/topology/thread_siblings_list", "0-1\n"},
            {CPU "1/topology/thread_siblings_list", "0-1\n"},
            {CPU "2/topology/thread_siblings_list", "2-3\n"},
            {CPU "3/topology/thread_siblings_list", "2-3\n"}},
        "0 2 4"},
    {"speeds-of-some", 2, {0}, {{CPU "0/cpu_capacity", "100\n"}}, "0 1"},
    {"garbage", 3, {0},
        {{CPU "0/cpu_capacity", "fast\n"}, {CPU "1/cpu_capacity", ""},
            {CPU "2/cpu_capacity", "-3\n"},
            {CPU "0/topology/thread_siblings_list", "all\n"},
            {CPU "1/topology/thread_siblings_list", "99999999999999999999\n"},
            {CPU "2/topology/thread_siblings_list", "-1\n"},
            {GROUPS "cpu.max", "much 100000\n"}, {"proc/self/cgroup", ":::::"}},
        "0 1 2"},
    {"group-of-version-2", 4, {0},
        {{"proc/self/cgroup", "0::/box\n"},
            {GROUPS "box/cpu.max", "150000 100000\n"}},
        "0 1"},
    {"group-has-no-limit", 3, {0},
        {{"proc/self/cgroup", "0::/box\n"},
            {GROUPS "box/cpu.max", "max 100000\n"}},
        "0 1 2"},
    {"group-above-has-a-limit", 4, {0},
        {{"proc/self/cgroup", "0::/a/b/c\n"},
            {GROUPS "a/cpu.max", "100000 100000\n"},
            {GROUPS "a/b/c/cpu.max", "300000 100000\n"}},
        "0"},
    {"group-at-the-top-of-a-container", 4, {0},
        {{"proc/self/cgroup", "0::/\n"}, {GROUPS "cpu.max", "200000 100000\n"}},
        "0 1"},
    {"less-than-one", 4, {0},
        {{"proc/self/cgroup", "0::/\n"}, {GROUPS "cpu.max", "1000 100000\n"}},
        "0"},
    {"group-of-version-1", 4, {0},
        {{"proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/box\n"},
            {GROUPS "cpu/box/cpu.cfs_quota_us", "300000\n"},
            {GROUPS "cpu/box/cpu.cfs_period_us", "100000\n"}},
        "0 1 2"},
    {"version-1-without-limit", 2, {0},
        {{"proc/self/cgroup", "3:cpu:/box\n"},
            {GROUPS "cpu/box/cpu.cfs_quota_us", "-1\n"},
            {GROUPS "cpu/box/cpu.cfs_period_us", "100000\n"}},
        "0 1"},
    {"the-limit-takes-the-fast-ones", 4, {0},
        {{CPU "0/cpu_capacity", "800\n"}, {CPU "1/cpu_capacity", "800\n"},
            {CPU "2/cpu_capacity", "1024\n"}, {CPU "3/cpu_capacity", "1024\n"},
            {"proc/self/cgroup", "0::/\n"},
            {GROUPS "cpu.max", "200000 100000\n"}},
        "2 3"},
};

static void
test_case (gconstpointer data)
{
  const guint index = GPOINTER_TO_UINT (data);
  char *root = test_folder_new ();
  const gboolean is_listed = cases[index].allowed[1] > 0;
  int allowed[MAX_CPUS];
  g_autoptr (GString) text = g_string_new (NULL);

  for (int i = 0; i < cases[index].n_allowed; i++)
    allowed[i] = is_listed ? cases[index].allowed[i] : i;
  for (int i = 0; i < MAX_FILES && cases[index].files[i][0]; i++)
    g_free (test_folder_write (
        root, cases[index].files[i][0], cases[index].files[i][1], -1));

  g_autoptr (GArray) chosen =
      bn_cpu_topology_choose (root, allowed, (uint32_t) cases[index].n_allowed);
  for (guint i = 0; i < chosen->len; i++)
    g_string_append_printf (
        text, "%s%d", i > 0 ? " " : "", g_array_index (chosen, int, i));
  g_assert_cmpstr (text->str, ==, cases[index].chosen);
  test_folder_remove (root);
}

/* The machine's own. */
static void
test_this_machine (void)
{
  g_autoptr (GArray) chosen = bn_cpu_topology_get ();

  g_assert_cmpuint (chosen->len, >=, 1);
  g_assert_cmpuint (chosen->len, <=, g_get_num_processors ());
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autofree char *path = g_strconcat ("/cpu-topology/", cases[i].name, NULL);
    g_test_add_data_func (path, GUINT_TO_POINTER (i), test_case);
  }
  g_test_add_func ("/cpu-topology/this-machine", test_this_machine);
  return g_test_run ();
}
