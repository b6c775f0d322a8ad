#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes the Unicode tables of lib/text: bn-unicode-data.c, -props.c, -norm.c.

Token ids depend on exactly these versions, whatever the system has:

    15.1   categories for llama.cpp
    16.0   categories for Hugging Face (Oniguruma, the regex crate), graphemes
    17.0   lower case and numeric characters (the standard library of Rust)
     9.0   normalization, marks, scripts (crates that Hugging Face has frozen)
     8.0   punctuation and control characters of BERT (likewise)

The data are those of the Unicode Character Database, as two packages of PyPI
carry them: the source of `unicodedata2` has categories, decompositions and
case of its version in C tables, which are read here; `regex` 2024.11.6 knows
scripts, word characters and grapheme properties of 16.0.

    for v in 8.0.0 9.0.0 14.0.0 15.1.0 16.0.0 17.0.1; do
      pip download --no-deps --no-binary :all: -d DIR unicodedata2==$v
    done
    pip install --no-deps --target DIR/regex regex==2024.11.6
    tools/gen-unicode.py DIR lib/text
"""

import argparse
import pathlib
import re
import sys
import tarfile
import unicodedata

N_CODE_POINTS = 0x110000

# Order of BnCategory in bn-unicode.h.
CATEGORIES = ('Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po '
              'Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co').split()
SPACE_BIT, NEW_16_BIT = 0x20, 0x40

# Property White_Space, unchanged since Unicode 6.3.
WHITE_SPACE = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680,
               *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}

# Order of BnGraphemeClass in bn-unicode.h.
GRAPHEMES = ('OTHER CR LF CONTROL EXTEND EXTEND_ONLY LINKER ZWJ REGIONAL '
             'PREPEND SPACING L V T LV LVT PICTOGRAPH CONSONANT').split()
# Order of the flags of BnCharProperties, from this bit on.
PROPERTIES = ('WORD NUMERIC PUNCTUATION_8 OTHER_8 NONSPACING_8 '
              'MARK_9').split()
PROPERTY_SHIFT = 5

HANGUL = range(0xAC00, 0xAC00 + 11172)
NORM_BLOCK = 64
BLOCK = 128


class Database:
    """One version of the character database, of the tables in C."""

    def __init__(self, folder, version):
        name = folder / f'unicodedata2-{version}.tar.gz'
        with tarfile.open(name) as archive:
            texts = {pathlib.PurePath(m.name).name:
                     archive.extractfile(m).read().decode()
                     for m in archive.getmembers() if m.name.endswith('_db.h')}
        self.read_records(texts['unicodedata_db.h'])
        self.read_decompositions(texts['unicodedata_db.h'])
        self.read_lower(texts['unicodetype_db.h'])

    @staticmethod
    def array(text, name):
        return re.search(r'\b' + name + r'\[\] = \{(.*?)\n\};', text, re.S)[1]

    @classmethod
    def numbers(cls, text, name):
        return [int(x, 0) for x in
                re.findall(r'\b(?:0x[0-9a-fA-F]+|\d+)\b', cls.array(text, name))]

    @classmethod
    def records(cls, text, name):
        return [[int(x) for x in re.findall(r'-?\d+', row)] for row in
                re.findall(r'\{([^}]*)\}', cls.array(text, name))]

    @classmethod
    def two_stages(cls, text, shift, first, second):
        shift = int(re.search(rf'#define {shift} (\d+)', text)[1])
        first, second = cls.numbers(text, first), cls.numbers(text, second)
        mask = (1 << shift) - 1
        return [second[(first[cp >> shift] << shift) | (cp & mask)]
                for cp in range(N_CODE_POINTS)]

    def read_records(self, text):
        names = re.findall(r'"(\w+)"',
                           self.array(text, '_PyUnicode_CategoryNames'))
        records = self.records(text, '_PyUnicode_Database_Records')
        index = self.two_stages(text, 'SHIFT', 'index1', 'index2')
        self.category = [names[records[i][0]] for i in index]
        self.combining = [records[i][1] for i in index]

    def read_decompositions(self, text):
        data = self.numbers(text, 'decomp_data')
        index = self.two_stages(text, 'DECOMP_SHIFT', 'decomp_index1',
                                'decomp_index2')
        # Prefix 0 is the canonical one.
        self.decomposition = {
            cp: (data[i] & 0xFF == 0, data[i + 1:i + 1 + (data[i] >> 8)])
            for cp, i in enumerate(index) if data[i] >> 8}

    def read_lower(self, text):
        records = self.records(text, '_PyUnicode_TypeRecords')
        extended = self.numbers(text, '_PyUnicode_ExtendedCase')
        index = self.two_stages(text, 'SHIFT', 'index1', 'index2')
        extended_case = 0x4000
        self.lower, self.full_lower = {}, {}
        for cp, i in enumerate(index):
            lower, flags = records[i][1], records[i][5]
            if flags & extended_case:
                start, n = lower & 0xFFFF, lower >> 24
                self.lower[cp] = extended[start]
                if n > 1:
                    self.full_lower[cp] = extended[start:start + n]
            elif lower:
                self.lower[cp] = cp + lower
        self.lower = {cp: to for cp, to in self.lower.items() if to != cp}


def two_stages(values, block, limit=N_CODE_POINTS):
    """Index of the blocks, and the different blocks."""
    blocks, index = {}, []
    for start in range(0, limit, block):
        key = tuple(values[start:start + block])
        index.append(blocks.setdefault(key, len(blocks)))
    return index, [value for key in blocks for value in key]


class Writer:
    def __init__(self, path, purpose):
        self.lines = ['/* SPDX-License-Identifier: LGPL-2.1-or-later */',
                      f'/* {purpose} Made by\n * tools/gen-unicode.py; do not '
                      'edit. */', '#include "bn-unicode-tables.h"', '',
                      '/* clang-format off */']
        self.path = path

    def table(self, declaration, values, per_line=16):
        self.lines.append(f'const {declaration} = {{')
        values = list(map(str, values))
        for i in range(0, len(values), per_line):
            self.lines.append('  ' + ', '.join(values[i:i + per_line]) + ',')
        self.lines.append('};\n')

    def write(self):
        text = '\n'.join(self.lines).rstrip('\n')
        self.path.write_text(text + '\n/* clang-format on */\n')


def flags_of(category, is_space):
    """The flags of BnCharFlags that follow from the class."""
    names = []
    if category[0] in 'LNPSM':
        names.append({'L': 'LETTER', 'N': 'NUMBER', 'P': 'PUNCTUATION',
                      'S': 'SYMBOL', 'M': 'MARK'}[category[0]])
    if is_space:
        names.append('SPACE')
    return ' | '.join('BN_CHAR_' + name for name in names) or '0'


def write_classes(path, databases):
    """Category of 16.0, and whether 15.1 lacks the character."""
    old, middle, new = (databases[v].category
                        for v in ('14.0.0', '15.1.0', '16.0.0'))
    classes = []
    for cp in range(N_CODE_POINTS):
        category = new[cp]
        bits = SPACE_BIT if cp in WHITE_SPACE else 0
        if middle[cp] == 'Cn' != category:
            bits |= NEW_16_BIT
        elif middle[cp] != category:
            # Only a mark that became another sort of mark: 15.1 it stays.
            assert (cp, middle[cp], category) == (0x1171E, 'Mn', 'Mc')
            category = middle[cp]
        classes.append(CATEGORIES.index(category) | bits)
    index, blocks = two_stages(classes, BLOCK)
    new_runs = []
    for cp in range(N_CODE_POINTS):
        if old[cp] == 'Cn' != new[cp]:
            category = CATEGORIES.index(new[cp])
            if (new_runs and new_runs[-1][1] == cp - 1
                    and new_runs[-1][2] == category):
                new_runs[-1][1] = cp
            else:
                new_runs.append([cp, cp, category])

    out = Writer(path, 'Classes of all code points, in two stages.')
    out.table(f'uint16_t bn_unicode_index[{len(index)}]', index)
    out.table(f'uint8_t bn_unicode_classes[{len(blocks)}]', blocks)
    out.table(f'BnUnicodeRange bn_unicode_new[{len(new_runs)}]',
              ('{%#x, %#x, %d}' % tuple(run) for run in new_runs), 4)
    out.table('size_t bn_n_unicode_new', [len(new_runs)])
    for name, hidden in (('bn_unicode_flags', NEW_16_BIT),
                         ('bn_unicode_flags_16', 0)):
        rows = []
        for bits in range(0, 0x80, SPACE_BIT):
            for i, category in enumerate(CATEGORIES):
                flags = flags_of(category, bits & SPACE_BIT)
                if flags != '0' and not bits & hidden:
                    rows.append(f'[{bits | i}] = {flags}')
        out.table(f'uint8_t {name}[128]', rows, 1)
    rows = [f'[{cp}] = {flags_of(new[cp], cp in WHITE_SPACE)}'
            for cp in range(0x80)]
    out.table('uint8_t bn_byte_flags[256]',
              rows + ['[0x80 ... 0xFF] = BN_BYTE_MULTI'], 1)
    out.write()


def matcher(folder):
    """A function from a property to the set of characters that have it."""
    sys.path.insert(0, str(folder / 'regex'))
    import regex
    text = ''.join(chr(cp) for cp in range(N_CODE_POINTS))

    def members(expression):
        return {ord(c) for c in regex.findall(expression, text)}
    return members


def graphemes(members):
    """UAX 29 of 16.0, with what the rules GB9c and GB11 ask for."""
    names = {'CR': 'CR', 'LF': 'LF', 'Control': 'CONTROL', 'Extend': 'EXTEND',
             'ZWJ': 'ZWJ', 'Regional_Indicator': 'REGIONAL',
             'Prepend': 'PREPEND', 'SpacingMark': 'SPACING', 'L': 'L',
             'V': 'V', 'T': 'T', 'LV': 'LV', 'LVT': 'LVT'}
    result = ['OTHER'] * N_CODE_POINTS
    for value, name in names.items():
        for cp in members(rf'\p{{GCB={value}}}'):
            result[cp] = name
    in_conjuncts = members(r'\p{InCB=Extend}')
    for cp in range(N_CODE_POINTS):
        if result[cp] == 'EXTEND' and cp not in in_conjuncts:
            result[cp] = 'EXTEND_ONLY'
        assert result[cp] in ('EXTEND', 'ZWJ') or cp not in in_conjuncts
    for expression, before, name in (
            (r'\p{InCB=Linker}', 'EXTEND_ONLY', 'LINKER'),
            (r'\p{InCB=Consonant}', 'OTHER', 'CONSONANT'),
            (r'\p{Extended_Pictographic}', 'OTHER', 'PICTOGRAPH')):
        for cp in members(expression):
            assert result[cp] == before, (hex(cp), result[cp], name)
            result[cp] = name
    return result


def scripts(members, category_9):
    """Runs of one script as the pre-tokenizer UnicodeScripts has them."""
    names = set(re.findall(r'[A-Z][A-Za-z_]+', ' '.join(SCRIPTS)))
    script = [''] * N_CODE_POINTS
    for name in names:
        for cp in members(rf'\p{{Script={name}}}'):
            script[cp] = name
    # What has changed since 9.0.
    script[0x0589] = script[0x061C] = 'Common'
    script[0x0953] = script[0x0954] = 'Devanagari'
    script[0x30FC] = 'Han'
    ids, runs = {'': 0}, []
    for cp in range(N_CODE_POINTS):
        name = script[cp]
        if category_9[cp] in ('Cn', 'Cs', 'Co') or cp == 0x20:
            name = ''
        else:
            assert name, hex(cp)
        if name in ('Hiragana', 'Katakana'):
            name = 'Han'
        number = ids.setdefault(name, len(ids))
        if not runs or runs[-1][1] != number:
            runs.append((cp, number))
    assert len(ids) < 256
    return runs


# Scripts that Unicode 9.0 has.
SCRIPTS = '''
Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum
Bassa_Vah Batak Bengali Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid
Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Common
Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari Duployan
Egyptian_Hieroglyphs Elbasan Ethiopic Georgian Glagolitic Gothic Grantha Greek
Gujarati Gurmukhi Han Hangul Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic
Inherited Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada
Katakana Kayah_Li Kharoshthi Khmer Khojki Khudawadi Lao Latin Lepcha Limbu
Linear_A Linear_B Lisu Lycian Lydian Mahajani Malayalam Mandaic Manichaean
Marchen Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao
Modi Mongolian Mro Multani Myanmar Nabataean New_Tai_Lue Newa Nko Ogham
Ol_Chiki Old_Hungarian Old_Italic Old_North_Arabian Old_Permic Old_Persian
Old_South_Arabian Old_Turkic Oriya Osage Osmanya Pahawh_Hmong Palmyrene
Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic Samaritan
Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sora_Sompeng Sundanese
Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil
Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Ugaritic Vai Warang_Citi Yi
'''.split()


def write_properties(path, databases, members):
    category_8, category_9, category_16, category_17 = (
        databases[v].category for v in ('8.0.0', '9.0.0', '16.0.0', '17.0.1'))
    words = members(r'[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]')
    grapheme = graphemes(members)
    ascii_punctuation = {ord(c) for c in '!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~'}
    tests = {
        'WORD': lambda cp: cp in words,
        'NUMERIC': lambda cp: category_17[cp][0] == 'N',
        'PUNCTUATION_8': lambda cp: (category_8[cp][0] == 'P'
                                     or cp in ascii_punctuation),
        'OTHER_8': lambda cp: category_8[cp] in ('Cc', 'Cf', 'Cs', 'Co'),
        'NONSPACING_8': lambda cp: category_8[cp] == 'Mn',
        'MARK_9': lambda cp: category_9[cp][0] == 'M',
    }
    assert list(tests) == PROPERTIES
    values = []
    for cp in range(N_CODE_POINTS):
        value = GRAPHEMES.index(grapheme[cp])
        for i, name in enumerate(PROPERTIES):
            value |= tests[name](cp) << PROPERTY_SHIFT + i
        values.append(value)
    records = sorted(set(values))
    numbers = {value: i for i, value in enumerate(records)}
    index, blocks = two_stages([numbers[v] for v in values], BLOCK)
    assert max(len(records), *index) < 256

    out = Writer(path, 'Properties, scripts and lower case in two stages.')
    out.table(f'uint8_t bn_properties_index[{len(index)}]', index)
    out.table(f'uint8_t bn_properties_records[{len(blocks)}]', blocks)
    out.table(f'uint16_t bn_properties_values[{len(records)}]',
              map(hex, records))

    runs = scripts(members, category_9)
    out.table(f'uint32_t bn_script_starts[{len(runs)}]',
              (hex(first) for first, _ in runs), 8)
    out.table(f'uint8_t bn_script_ids[{len(runs)}]', (i for _, i in runs))
    out.table('size_t bn_n_script_runs', [len(runs)])

    database = databases['17.0.1']
    assert database.full_lower == {0x130: [0x69, 0x307]}
    limit = -(-max(database.lower) // BLOCK) * BLOCK
    deltas = [database.lower.get(cp, cp) - cp for cp in range(limit)]
    different = sorted(set(deltas), key=lambda d: (d != 0, d))
    assert len(different) < 256
    index, blocks = two_stages([different.index(d) for d in deltas], BLOCK,
                               limit)
    out.table('uint32_t bn_lower_limit', [hex(limit)])
    out.table(f'uint8_t bn_lower_index[{len(index)}]', index)
    out.table(f'uint8_t bn_lower_records[{len(blocks)}]', blocks)
    out.table(f'int32_t bn_lower_deltas[{len(different)}]', different, 8)
    out.write()


class Normalization:
    """What the four forms of one version need."""

    def __init__(self, database):
        self.raw = database.decomposition
        self.combining = database.combining
        self.canonical = {cp: self.expand(cp, False) for cp in self.raw
                          if self.raw[cp][0]}
        self.compatible = {cp: self.expand(cp, True) for cp in self.raw}
        # Which pairs compose never changes, so any Python knows.
        self.pairs = {
            tuple(self.raw[cp][1]): cp for cp in self.canonical
            if len(self.raw[cp][1]) == 2
            and unicodedata.normalize('NFC', chr(cp)) == chr(cp)}

    def expand(self, cp, compatible):
        is_canonical, parts = self.raw.get(cp, (True, None))
        if parts is None or not (is_canonical or compatible):
            return [cp]
        return [c for part in parts for c in self.expand(part, compatible)]

    def compose(self, cps):
        """NFC of an expansion, which is short and in order."""
        result, last = [], 0
        for cp in cps:
            if result:
                starter = result[0]
                key = (starter, cp)
                blocked = len(result) > 1 and last >= self.combining[cp]
                if (key in self.pairs and not blocked
                        and self.combining[starter] == 0):
                    result[0] = self.pairs[key]
                    continue
            result.append(cp)
            last = self.combining[cp]
        return result


def write_normalization(path, database):
    norm = Normalization(database)
    seconds = {b for _, b in norm.pairs} | {*range(0x1161, 0x1176),
                                            *range(0x11A8, 0x11C3)}
    not_nfc = {cp for cp in norm.canonical
               if norm.compose(norm.canonical[cp]) != [cp]}
    not_nfkc = {cp for cp in norm.compatible
                if norm.compatible[cp] != norm.canonical.get(cp)
                or cp in not_nfc}
    # BN_NORM_NFC, _NFKC, _NFD, _NFKD: the form may change the character.
    pool, records, numbers, values = [], [], {}, []
    for cp in range(N_CODE_POINTS):
        canonical = norm.canonical.get(cp, [])
        compatible = norm.compatible.get(cp, [])
        is_hangul = cp in HANGUL
        flags = ((cp in not_nfc or cp in seconds)
                 | (cp in not_nfkc or cp in seconds) << 1
                 | (bool(canonical) or is_hangul) << 2
                 | (bool(compatible) or is_hangul) << 3)
        if compatible == canonical:
            compatible = []
        key = (norm.combining[cp], flags, tuple(canonical), tuple(compatible))
        if key not in numbers:
            numbers[key] = len(records)
            offset = len(pool) if canonical or compatible else 0
            pool += canonical + compatible
            records.append((norm.combining[cp], flags, len(canonical),
                            len(compatible), offset))
        values.append(numbers[key])
    assert values[ord('a')] == 0 and len(pool) < 0x10000

    limit = max(cp for cp, v in enumerate(values) if v)
    limit = -(-limit // NORM_BLOCK) * NORM_BLOCK + NORM_BLOCK
    index, blocks = two_stages(values, NORM_BLOCK, limit)
    block_flags = []
    for start in range(0, limit, NORM_BLOCK):
        flags = 0
        for value in values[start:start + NORM_BLOCK]:
            flags |= 0xF if records[value][0] else records[value][1]
        block_flags.append(flags)

    out = Writer(path, 'Normalization of Unicode 9.0.')
    out.table('uint32_t bn_norm_limit', [hex(limit)])
    out.table(f'uint8_t bn_norm_block_flags[{len(block_flags)}]', block_flags)
    out.table(f'uint16_t bn_norm_index[{len(index)}]', index)
    out.table(f'uint16_t bn_norm_values[{len(blocks)}]', blocks)
    out.table(f'BnNormRecord bn_norm_records[{len(records)}]',
              ('{%d, %d, %d, %d, %d}' % r for r in records), 4)
    out.table(f'uint32_t bn_norm_pool[{len(pool)}]', map(hex, pool), 10)
    pairs = sorted(norm.pairs.items())
    out.table('size_t bn_n_norm_pairs', [len(pairs)])
    out.table(f'BnNormPair bn_norm_pairs[{len(pairs)}]',
              ('{%#x, %#x, %#x}' % (*pair, to) for pair, to in pairs), 4)
    out.write()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('sources', type=pathlib.Path, metavar='DIR',
                        help='folder with the packages')
    parser.add_argument('output', type=pathlib.Path, metavar='OUTPUT',
                        help='folder of the tables, lib/text')
    options = parser.parse_args()
    databases = {v: Database(options.sources, v) for v in (
        '8.0.0', '9.0.0', '14.0.0', '15.1.0', '16.0.0', '17.0.1')}
    members = matcher(options.sources)
    write_classes(options.output / 'bn-unicode-data.c', databases)
    write_properties(options.output / 'bn-unicode-props.c', databases, members)
    write_normalization(options.output / 'bn-unicode-norm.c',
                        databases['9.0.0'])


main()
