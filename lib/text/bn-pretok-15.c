/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The splitters with the categories of Unicode 15.1, as llama.cpp has them. */
#define BN_PRETOK_15

#include "bn-pretok-cased-tmpl.h"
#include "bn-pretok-large-tmpl.h"
#include "bn-pretok-stages-tmpl.h"
