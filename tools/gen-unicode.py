#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes lib/text/bn-unicode-data.c: the class of every code point.

The pre-tokenizers need general categories of exactly one Unicode version,
15.1 (the tables of the reference program), whatever the system has. Python
3.13 carries that version; any Python works with the two files of the Unicode
Character Database:

    python3.13 tools/gen-unicode.py > lib/text/bn-unicode-data.c
    tools/gen-unicode.py --ucd DIR  > lib/text/bn-unicode-data.c

DIR holds UnicodeData.txt and DerivedAge.txt of version 15.1.
"""

import argparse
import pathlib
import sys
import unicodedata

VERSION = '15.1.0'
N_CODE_POINTS = 0x110000
BLOCK = 128

# Order of BnCategory in bn-unicode.h.
CATEGORIES = ('Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po '
              'Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co').split()
SPACE_BIT = 0x20

# Property White_Space, unchanged since Unicode 6.3.
WHITE_SPACE = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680,
               *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}


def categories_of_python():
    if unicodedata.unidata_version != VERSION:
        sys.exit(f'This Python has Unicode {unicodedata.unidata_version}; '
                 f'{VERSION} is needed (Python 3.13, or --ucd DIR)')
    return [unicodedata.category(chr(cp)) for cp in range(N_CODE_POINTS)]


def categories_of_ucd(folder):
    ages = (folder / 'DerivedAge.txt').read_text(encoding='utf-8')
    if f'DerivedAge-{VERSION}' not in ages:
        sys.exit(f'{folder} is not Unicode {VERSION}')
    result = ['Cn'] * N_CODE_POINTS
    first = None
    for line in (folder / 'UnicodeData.txt').read_text().splitlines():
        fields = line.split(';')
        cp = int(fields[0], 16)
        if fields[1].endswith(', First>'):
            first = cp
            continue
        for i in range(cp if first is None else first, cp + 1):
            result[i] = fields[2]
        first = None
    return result


def flags_of(category, is_space):
    """The flags of BnCharFlags that follow from the class."""
    names = []
    if category[0] in 'LNPSM':
        names.append({'L': 'LETTER', 'N': 'NUMBER', 'P': 'PUNCTUATION',
                      'S': 'SYMBOL', 'M': 'MARK'}[category[0]])
    if is_space:
        names.append('SPACE')
    return ' | '.join('BN_CHAR_' + name for name in names) or '0'


def print_table(values, per_line=16):
    for i in range(0, len(values), per_line):
        print('  ' + ', '.join(f'{v}' for v in values[i:i + per_line]) + ',')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--ucd', type=pathlib.Path, metavar='DIR',
                        help='read the Unicode Character Database in DIR')
    options = parser.parse_args()
    categories = (categories_of_ucd(options.ucd) if options.ucd
                  else categories_of_python())

    classes = bytes(CATEGORIES.index(c) | (SPACE_BIT if cp in WHITE_SPACE
                                           else 0)
                    for cp, c in enumerate(categories))
    blocks = {}
    index = []
    for start in range(0, N_CODE_POINTS, BLOCK):
        block = classes[start:start + BLOCK]
        index.append(blocks.setdefault(block, len(blocks)))
    assert len(blocks) <= 256

    print('/* SPDX-License-Identifier: LGPL-2.1-or-later */')
    print(f'/* Classes of all code points in Unicode {VERSION}, in two stages. '
          'Made by\n * tools/gen-unicode.py; do not edit. */')
    print('#include "bn-unicode.h"\n')
    print('/* clang-format off */')
    print(f'const uint8_t bn_unicode_index[{len(index)}] = {{')
    print_table(index)
    print('};\n')
    print(f'const uint8_t bn_unicode_classes[{len(blocks)} * {BLOCK}] = {{')
    print_table(b''.join(blocks))
    print('};\n')
    print('const uint8_t bn_unicode_flags[64] = {')
    for space in (False, True):
        for i, category in enumerate(CATEGORIES):
            print(f'  [{i | (SPACE_BIT if space else 0)}] = '
                  f'{flags_of(category, space)},')
    print('};\n')
    print('const uint8_t bn_byte_flags[256] = {')
    for cp in range(0x80):
        print(f'  [{cp}] = '
              f'{flags_of(categories[cp], cp in WHITE_SPACE)},')
    print('  [0x80 ... 0xFF] = BN_BYTE_MULTI,')
    print('};')
    print('/* clang-format on */')


main()
