/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libbitnet: language models for GLib programs. The only header to include. */
#pragma once

#include "bitnet-version.h"
#include "bitnet-error.h"
#include "bitnet-progress.h"
#include "bitnet-cache.h"
#include "bitnet-hub.h"
#include "bitnet-model.h"
#include "bitnet-tokenizer.h"
#include "bitnet-discovery.h"
#include "bitnet-template.h"
#include "bitnet-conversation.h"
#include "bitnet-resolver.h"
#include "bitnet-params.h"
#include "bitnet-engine.h"
#include "bitnet-sequence.h"
