/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plugin with this project's elements, for commands that build pipelines.
 */
#pragma once

#include <glib.h>

/* Loads the plugin beside an uninstalled program, else the installed one, else
 * asks GStreamer, which is initialized, whether it knows the elements. */
gboolean tool_load_plugin (GError **error);
