/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the reader of the matrix and its search share. */
#pragma once

#include "bn-matrix.h"

struct BnFamilyMatrix {
  GPtrArray *families; /* BnFamily, in the order of the file */
};

BnFamilyMatrix *bn_matrix_new (void);
void bn_family_free (gpointer family);
