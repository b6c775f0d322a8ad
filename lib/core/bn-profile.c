/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stopwatch behind bn-profile.h. */
#include "bn-profile.h"

#include "bn-clock.h"

const char *
bn_pass_part_name (BnPassPart part)
{
  static const char *const names[BN_N_PARTS] = {
      [BN_PART_EMBED] = "embed",
      [BN_PART_QKV] = "qkv",
      [BN_PART_STORE] = "store",
      [BN_PART_ATTENTION] = "attention",
      [BN_PART_OUTPUT] = "output",
      [BN_PART_GATE_UP] = "gate-up",
      [BN_PART_DOWN] = "down",
      [BN_PART_HEAD] = "head",
  };

  return names[part];
}

void
bn_profile_begin (BnProfile *self)
{
  if (self->is_on)
    self->last_ns = bn_clock_now ();
}

void
bn_profile_end_part (BnProfile *self, BnPassPart part)
{
  uint64_t now;

  if (!self->is_on)
    return;
  now = bn_clock_now ();
  self->ns[part] += now - self->last_ns;
  self->last_ns = now;
}
