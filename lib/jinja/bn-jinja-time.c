/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* strftime() with the names of the C locale, whatever the process has set,
 * as the reference has them. */
#include "bn-jinja-private.h"

#include <string.h>

enum { CENTURY = 100, NOON = 12, DAYS_OF_WEEK = 7 };

static const char *const days[] = {"Sunday", "Monday", "Tuesday", "Wednesday",
    "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January", "February", "March", "April",
    "May", "June", "July", "August", "September", "October", "November",
    "December"};

/* Year and number of the week of ISO 8601. */
static void
get_iso_week (const struct tm *now, int *year, int *week)
{
  g_autoptr (GDate) date = g_date_new_dmy ((GDateDay) now->tm_mday,
      (GDateMonth) (now->tm_mon + 1), (GDateYear) (now->tm_year + 1900));
  guint weekday = g_date_get_weekday (date);

  *week = (int) g_date_get_iso8601_week_of_year (date);
  /* The week belongs to the year of its Thursday. */
  if (weekday < G_DATE_THURSDAY)
    g_date_add_days (date, G_DATE_THURSDAY - weekday);
  else
    g_date_subtract_days (date, weekday - G_DATE_THURSDAY);
  *year = g_date_get_year (date);
}

typedef struct {
  const char *text; /* or a number: */
  int number, width;
  char pad;
} Field;

static Field
number (int value, int width, char pad)
{
  return (Field){.number = value, .width = width, .pad = pad};
}

static const char *
get_compound (char code)
{
  switch (code) {
    case 'c':
      return "%a %b %e %H:%M:%S %Y";
    case 'D':
    case 'x':
      return "%m/%d/%y";
    case 'F':
      return "%Y-%m-%d";
    case 'r':
      return "%I:%M:%S %p";
    case 'R':
      return "%H:%M";
    case 'T':
    case 'X':
      return "%H:%M:%S";
    default:
      return NULL;
  }
}

static gboolean
get_name (const struct tm *now, char code, char *name, size_t size)
{
  switch (code) {
    case 'A':
    case 'a':
      g_snprintf (name, size, code == 'A' ? "%s" : "%.3s",
          days[now->tm_wday % DAYS_OF_WEEK]);
      return TRUE;
    case 'B':
    case 'b':
    case 'h':
      g_snprintf (
          name, size, code == 'B' ? "%s" : "%.3s", months[now->tm_mon % NOON]);
      return TRUE;
    case 'p':
    case 'P':
      g_strlcpy (name,
          code == 'p' ? (now->tm_hour < NOON ? "AM" : "PM")
                      : (now->tm_hour < NOON ? "am" : "pm"),
          size);
      return TRUE;
    case 'n':
    case 't':
    case '%':
      g_snprintf (name, size, "%c",
          code == 'n'   ? '\n'
          : code == 't' ? '\t'
                        : '%');
      return TRUE;
    case 'z': /* the time has no zone */
    case 'Z':
      *name = '\0';
      return TRUE;
    default:
      return FALSE;
  }
}

static gboolean
get_number (const struct tm *now, char code, Field *field)
{
  int hour = now->tm_hour % NOON, year = now->tm_year + 1900, iso_year, week;

  get_iso_week (now, &iso_year, &week);
  switch (code) {
    case 'C':
      *field = number (year / CENTURY, 2, '0');
      return TRUE;
    case 'd':
      *field = number (now->tm_mday, 2, '0');
      return TRUE;
    case 'e':
      *field = number (now->tm_mday, 2, ' ');
      return TRUE;
    case 'f':
      *field = number (0, 6, '0');
      return TRUE;
    case 'G':
      *field = number (iso_year, 4, '0');
      return TRUE;
    case 'g':
      *field = number (iso_year % CENTURY, 2, '0');
      return TRUE;
    case 'H':
    case 'k':
      *field = number (now->tm_hour, 2, code == 'H' ? '0' : ' ');
      return TRUE;
    case 'I':
    case 'l':
      *field = number (hour == 0 ? NOON : hour, 2, code == 'I' ? '0' : ' ');
      return TRUE;
    case 'j':
      *field = number (now->tm_yday + 1, 3, '0');
      return TRUE;
    case 'M':
      *field = number (now->tm_min, 2, '0');
      return TRUE;
    case 'm':
      *field = number (now->tm_mon + 1, 2, '0');
      return TRUE;
    case 'S':
      *field = number (now->tm_sec, 2, '0');
      return TRUE;
    case 'U':
      *field = number (
          (now->tm_yday + DAYS_OF_WEEK - now->tm_wday) / DAYS_OF_WEEK, 2, '0');
      return TRUE;
    case 'u':
      *field = number (now->tm_wday == 0 ? DAYS_OF_WEEK : now->tm_wday, 1, '0');
      return TRUE;
    case 'V':
      *field = number (week, 2, '0');
      return TRUE;
    case 'W':
      *field = number ((now->tm_yday + DAYS_OF_WEEK
                           - (now->tm_wday + DAYS_OF_WEEK - 1) % DAYS_OF_WEEK)
                           / DAYS_OF_WEEK,
          2, '0');
      return TRUE;
    case 'w':
      *field = number (now->tm_wday, 1, '0');
      return TRUE;
    case 'Y':
      *field = number (year, 1, '0');
      return TRUE;
    case 'y':
      *field = number (year % CENTURY, 2, '0');
      return TRUE;
    default:
      return FALSE;
  }
}

/* One conversion; flag is one of GNU's or 0. FALSE if there is none of that
 * code. */
static gboolean
append_field (BnJ *j, BnJBuffer *buffer, char flag, char code)
{
  char name[32], padded[32], digits[16];
  Field field;

  if (get_name (j->now, code, name, sizeof name)) {
    for (char *c = name; *c != '\0' && (flag == '^' || flag == '#'); c++)
      *c = g_ascii_toupper (*c);
    bn_j_append_text (j, buffer, name);
    return TRUE;
  }
  if (!get_number (j->now, code, &field))
    return FALSE;
  if (flag == '-')
    field.width = 1;
  else if (flag == '_')
    field.pad = ' ';
  else if (flag == '0')
    field.pad = '0';
  g_snprintf (digits, sizeof digits, "%d", field.number);
  memset (padded, field.pad, sizeof padded);
  g_strlcpy (padded + MAX (field.width - (int) strlen (digits), 0), digits,
      sizeof digits);
  bn_j_append_text (j, buffer, padded);
  return TRUE;
}

static void
append_time (BnJ *j, BnJBuffer *buffer, const BnJString *format)
{
  for (size_t at = 0; at < format->size;) {
    size_t begin = at++;
    const char *compound;
    char flag = '\0';

    if (format->text[begin] == '%' && at < format->size) {
      if (strchr ("-_0^#EO", format->text[at]) != NULL && at + 1 < format->size)
        flag = format->text[at++];
      compound = get_compound (format->text[at]);
      if (compound != NULL) {
        at++;
        append_time (j, buffer, bn_j_text (j, compound).string);
        continue;
      }
      if (append_field (j, buffer, flag, format->text[at])) {
        at++;
        continue;
      }
      at = begin + 1;
    }
    while (at < format->size && ((guchar) format->text[at] & 0xC0) == 0x80)
      at++;
    bn_j_step (j, 1);
    bn_j_append_part (j, buffer, format, begin, at);
  }
}

BnJString *
bn_j_format_time (BnJ *j, const BnJString *format)
{
  BnJBuffer *buffer = bn_j_buffer_new (j, 0);

  append_time (j, buffer, format);
  return bn_j_buffer_finish (j, buffer);
}
