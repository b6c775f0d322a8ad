/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the environment says about reaching the network. */
#pragma once

#include <gio/gio.h>

/* From HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY (small letters first);
 * NULL if none is set. This machine is never asked through a proxy. */
GProxyResolver *bn_http_config_new_proxy_resolver (void);

/* The file of SSL_CERT_FILE or REQUESTS_CA_BUNDLE; NULL if none is set. */
char *bn_http_config_dup_authorities_path (void);

/* Certificate authorities of that file, that count beside those of the system;
 * NULL with a warning if it cannot be read. */
GTlsDatabase *bn_http_config_load_authorities (const char *path);
