/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers of the API: good, odd and hostile. */
#include <gio/gio.h>
#include <string.h>

#include "bitnet-error.h"
#include "bn-hub-listing.h"

#define SHA "0123456789abcdef0123456789abcdef01234567"
#define SHA256                                                                 \
  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static BnHubListing *
parse (const char *json, GError **error)
{
  return bn_hub_listing_parse (json, strlen (json), "a/b", error);
}

static void
test_good (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BnHubListing) listing = parse (
      "{\"id\":\"new/name\",\"sha\":\"" SHA "\",\"gated\":\"manual\","
      "\"cardData\":{\"base_model\":\"x/y\"},"
      "\"tags\":[\"gguf\",\"base_model:quantized:x/y\",\"base_model:u/v\","
      "\"base_model:../etc\"],"
      "\"siblings\":[{\"rfilename\":\"a.json\",\"size\":5,\"blobId\":\"" SHA
      "\"},{\"rfilename\":\"m.gguf\",\"blobId\":\"" SHA
      "\",\"lfs\":{\"sha256\":\"" SHA256 "\",\"size\":7}},"
      "{\"rfilename\":\"c\"}]}",
      &error);
  const BnHubFile *file;

  g_assert_no_error (error);
  g_assert_cmpstr (listing->repository, ==, "new/name");
  g_assert_cmpstr (listing->commit, ==, SHA);
  g_assert_true (listing->is_gated);
  g_assert_cmpuint (g_strv_length (listing->base_models), ==, 2);
  g_assert_cmpstr (listing->base_models[0], ==, "x/y");
  g_assert_cmpstr (listing->base_models[1], ==, "u/v");
  g_assert_cmpuint (listing->files->len, ==, 3);
  file = bn_hub_listing_find (listing, "a.json");
  g_assert_cmpstr (file->git_sha1, ==, SHA);
  g_assert_null (file->sha256);
  g_assert_cmpint (file->size, ==, 5);
  file = bn_hub_listing_find (listing, "m.gguf");
  g_assert_cmpstr (file->sha256, ==, SHA256);
  g_assert_null (file->git_sha1);
  g_assert_cmpint (file->size, ==, 7);
  file = bn_hub_listing_find (listing, "c");
  g_assert_null (file->sha256);
  g_assert_cmpint (file->size, ==, -1);
}

static void
test_list_of_bases (void)
{
  g_autoptr (BnHubListing) listing =
      parse ("{\"sha\":\"" SHA
             "\",\"cardData\":{\"base_model\":[\"x/y\",7,\"x/y\",\"u/v\"]},"
             "\"siblings\":[]}",
          NULL);

  g_assert_cmpuint (g_strv_length (listing->base_models), ==, 2);
  g_assert_cmpstr (listing->repository, ==, "a/b");
}

/* Files whose name could leave a folder are not there. */
static void
test_unsafe_names (void)
{
  g_autoptr (BnHubListing) listing = parse (
      "{\"sha\":\"" SHA
      "\",\"siblings\":[{\"rfilename\":\"../../x\"},{\"rfilename\":\"/etc/x\"},"
      "{\"rfilename\":\"a\\\\b\"},{\"rfilename\":7},7,null,{},"
      "{\"rfilename\":\"\"},{\"rfilename\":\"good\",\"size\":-7,\"blobId\":"
      "\"../../x\"}]}",
      NULL);
  const BnHubFile *file = g_ptr_array_index (listing->files, 0);

  g_assert_cmpuint (listing->files->len, ==, 1);
  g_assert_cmpstr (file->name, ==, "good");
  g_assert_cmpint (file->size, ==, -1);
  g_assert_null (file->git_sha1);
}

static void
test_bad (void)
{
  static const char *const texts[] = {"", "<html>", "[]", "7", "{}", "null",
      "{\"sha\":\"" SHA "\"}", "{\"siblings\":[]}",
      "{\"sha\":\"main\",\"siblings\":[]}", "{\"sha\":7,\"siblings\":[]}",
      "{\"sha\":\"" SHA "\",\"siblings\":{}}",
      "{\"sha\":\"" SHA "\",\"siblings\":[}"};

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    g_autoptr (GError) error = NULL;

    g_test_message ("%s", texts[i]);
    g_assert_null (parse (texts[i], &error));
    g_assert_error (error, BITNET_ERROR, BITNET_ERROR_HTTP);
    g_assert_nonnull (strstr (error->message, "a/b"));
  }
}

static GString *
make_listing (guint n)
{
  GString *json = g_string_new ("{\"sha\":\"" SHA "\",\"siblings\":[");

  for (guint i = 0; i < n; i++)
    g_string_append_printf (json, "%s{\"rfilename\":\"f%u\"}", i ? "," : "", i);
  g_string_append (json, "]}");
  return json;
}

static void
test_many (void)
{
  GString *json = make_listing (BN_MAX_SIBLINGS);
  g_autoptr (GError) error = NULL;
  g_autoptr (BnHubListing) listing = parse (json->str, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (listing->files->len, ==, BN_MAX_SIBLINGS);
  g_string_free (json, TRUE);
  json = make_listing (BN_MAX_SIBLINGS + 1);
  g_assert_null (parse (json->str, &error));
  g_assert_error (error, BITNET_ERROR, BITNET_ERROR_TOO_LARGE);
  g_string_free (json, TRUE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/hub-listing/A07/good", test_good);
  g_test_add_func ("/hub-listing/A07/list-of-bases", test_list_of_bases);
  g_test_add_func ("/hub-listing/A07/unsafe-names", test_unsafe_names);
  g_test_add_func ("/hub-listing/A07/bad", test_bad);
  g_test_add_func ("/hub-listing/A07/many", test_many);
  return g_test_run ();
}
