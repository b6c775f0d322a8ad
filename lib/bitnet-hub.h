/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetHub: model files from a hub. */
#pragma once

#include <gio/gio.h>
#include "bitnet-version.h"
#include "bitnet-progress.h"

G_BEGIN_DECLS

/**
 * BitnetHub:
 *
 * Fetches model files from the Hugging Face Hub or a mirror of it into a
 * folder of the user: resumed where it broke off, compared with the hub's
 * digest, under its name only when it is complete. A file that is here already
 * is not fetched again, also one that the hub's own programs have fetched.
 *
 * A property that the application sets wins over the environment, that over
 * the default. The environment is read when the hub is made. Properties are
 * set before the first use; after that every function may be called from any
 * thread.
 *
 * |[<!-- language="C" -->
 * g_autoptr (BitnetHub) hub = bitnet_hub_new ();
 * g_autofree char *path = bitnet_hub_fetch_model (hub,
 *     "hf://microsoft/bitnet-b1.58-2B-4T-gguf/ggml-model-i2_s.gguf", NULL,
 *     NULL, NULL, NULL, &error);
 * ]|
 */
#define BITNET_TYPE_HUB (bitnet_hub_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (BitnetHub, bitnet_hub, BITNET, HUB, GObject)

/**
 * BitnetHub:endpoint:
 *
 * Address of the hub; %NULL is the public one. Environment: `HF_ENDPOINT`.
 */

/**
 * BitnetHub:token:
 *
 * Access token. Cannot be read back. Environment: `HF_TOKEN`,
 * `HUGGING_FACE_HUB_TOKEN`, the file `HF_TOKEN_PATH`.
 */

/**
 * BitnetHub:revision:
 *
 * Branch, tag or commit for references that name none.
 */

/**
 * BitnetHub:cache-dir:
 *
 * Folder of model files; %NULL is `bitnet/models` in the user's cache.
 * Environment: `BITNET_CACHE_DIR`, whose folder `models` it is.
 */

/**
 * BitnetHub:offline:
 *
 * Never use the network. Environment: `BITNET_OFFLINE`, `HF_HUB_OFFLINE`,
 * `TRANSFORMERS_OFFLINE`.
 */

/**
 * BitnetHub:timeout:
 *
 * Seconds without a byte after which a connection counts as broken.
 * Environment: `HF_HUB_DOWNLOAD_TIMEOUT`. (A model may take hours; there is
 * no limit for the whole.)
 */

/**
 * BitnetHub:retries:
 *
 * How often a failed request is sent again. The count starts anew when bytes
 * have arrived.
 */

/**
 * BitnetHub:allow-insecure:
 *
 * Whether `http:` is allowed for other hosts than this one.
 */

/**
 * bitnet_hub_new:
 *
 * Returns: (transfer full): a hub with the settings of the environment
 */
BITNET_AVAILABLE_IN_ALL
BitnetHub *bitnet_hub_new (void);

/**
 * bitnet_hub_is_reference:
 * @text: a text
 *
 * Tells references to a hub from paths: `hf://owner/name[@revision]/file`,
 * `hf.co/owner/name[:quantization]`, `huggingface.co/owner/name…`, and
 * `owner/name[:quantization]` if there is no such path.
 *
 * Returns: whether bitnet_hub_fetch_model() takes it
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_hub_is_reference (const char *text);

/**
 * bitnet_hub_fetch_model:
 * @self: a hub
 * @reference: what to fetch
 * @sha256: (nullable): digest that the file must have, 64 hexadecimal digits
 * @progress: (nullable) (scope call): told how far it is
 * @progress_data: (closure progress): data for @progress
 * @cancellable: (nullable): stops it; what has arrived is kept and goes on
 *   from there the next time
 * @error: return location for an error
 *
 * Fetches a model file and returns its path. Without a file in the reference
 * the quantization decides, without that `Q4_K_M` if there is one, else the
 * only or the first file; all parts of a split model are fetched and the path
 * of the first returned. Blocks.
 *
 * Returns: (transfer full) (type filename): path of the file, or %NULL
 */
BITNET_AVAILABLE_IN_ALL
char *bitnet_hub_fetch_model (BitnetHub *self, const char *reference,
    const char *sha256, BitnetTransferFunc progress, gpointer progress_data,
    GCancellable *cancellable, GError **error);

/**
 * bitnet_hub_fetch_model_async:
 * @self: a hub
 * @reference: what to fetch
 * @sha256: (nullable): digest that the file must have, 64 hexadecimal digits
 * @io_priority: priority of the callback
 * @cancellable: (nullable): stops it
 * @progress: (nullable) (scope notified) (closure progress_data): told how far
 *   it is, in the thread-default context of the caller
 * @progress_data: data for @progress
 * @progress_destroy: (nullable): frees @progress_data
 * @callback: (scope async): called when it is done
 * @user_data: (closure): data of the caller
 *
 * bitnet_hub_fetch_model() in another thread.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_hub_fetch_model_async (BitnetHub *self, const char *reference,
    const char *sha256, int io_priority, GCancellable *cancellable,
    BitnetTransferFunc progress, gpointer progress_data,
    GDestroyNotify progress_destroy, GAsyncReadyCallback callback,
    gpointer user_data);

/**
 * bitnet_hub_fetch_model_finish:
 * @self: a hub
 * @result: what the callback got
 * @error: return location for an error
 *
 * Returns: (transfer full) (type filename): path of the file, or %NULL
 */
BITNET_AVAILABLE_IN_ALL
char *bitnet_hub_fetch_model_finish (
    BitnetHub *self, GAsyncResult *result, GError **error);

/**
 * bitnet_hub_dup_stats:
 * @self: a hub
 *
 * What this hub did on the network so far: a dictionary `a{sv}` with
 * `requests` (t), `responses-2xx`, `-3xx`, `-4xx`, `-5xx` (t),
 * `bytes-received` (t), `bytes-resumed` (t, not sent again), `cache-hits`
 * (t), `waits-shared` (t, downloads that another one did), `retries` (t),
 * `breaker-openings` (t), `connections` (t), `first-byte-ms` (d, of the last
 * download), `seconds` (d, spent receiving).
 *
 * Returns: (transfer full): the dictionary
 */
BITNET_AVAILABLE_IN_ALL
GVariant *bitnet_hub_dup_stats (BitnetHub *self);

G_END_DECLS
