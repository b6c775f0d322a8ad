/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The splitters with the categories of Unicode 16.0, as Hugging Face has. */
#include "bn-pretok-cased-tmpl.h"
#include "bn-pretok-large-tmpl.h"
#include "bn-pretok-stages-tmpl.h"
