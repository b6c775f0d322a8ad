#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes ca.pem and server.pem (certificate and key) for the https server of the
# tests. Valid for a hundred years; the key of the authority is thrown away.
set -e
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
  -keyout "$folder/ca.key" -out ca.pem -days 36500 \
  -subj "/CN=gst-bitnet test authority" \
  -addext "basicConstraints=critical,CA:TRUE" \
  -addext "keyUsage=critical,keyCertSign,cRLSign"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
  -keyout "$folder/server.key" -out "$folder/server.csr" -subj "/CN=localhost"
cat >"$folder/extensions" <<END
basicConstraints=CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=DNS:localhost,IP:127.0.0.1
END
openssl x509 -req -in "$folder/server.csr" -CA ca.pem -CAkey "$folder/ca.key" \
  -CAcreateserial -CAserial "$folder/serial" -days 36500 \
  -extfile "$folder/extensions" -out server.pem
cat "$folder/server.key" >>server.pem
