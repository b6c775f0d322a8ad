#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Has anything become slower? --help says what is measured and how.
exec python3 "$(dirname "$0")/../bench/check-regression.py" "$@"
