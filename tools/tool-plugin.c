/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the plugin is. */
#include "tool-plugin.h"

#include <gio/gio.h>
#include <gst/gst.h>

#include "bitnet-tool.h"

gboolean
tool_load_plugin (GError **error)
{
  g_autofree char *beside =
      tool_beside_program ("../elements/" BITNET_PLUGIN_FILE);
  const char *installed = BITNET_PLUGIN_DIR "/" BITNET_PLUGIN_FILE;
  const char *path = NULL;
  g_autoptr (GstPlugin) plugin = NULL;
  g_autoptr (GstElementFactory) factory = NULL;

  if (beside)
    path = beside;
  else if (g_file_test (installed, G_FILE_TEST_IS_REGULAR))
    path = installed;
  if (path) {
    plugin = gst_plugin_load_file (path, error);
    return plugin != NULL;
  }
  factory = gst_element_factory_find ("ggufsrc");
  if (factory == NULL)
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
        "the GStreamer plugin %s was found neither at %s nor by GStreamer; "
        "set GST_PLUGIN_PATH to its folder",
        BITNET_PLUGIN_FILE, installed);
  return factory != NULL;
}
