/* The words of a command line. */
#include "start-info.h"

/* Whether the text begins with the word, and the word ends there. */
static bool begins_with_word(const char *text, const char *word) {
  for (; *word != '\0' && *text == *word; text++) word++;
  return *word == '\0' && (*text == '\0' || *text == ' ');
}

bool has_word(const char *text, const char *word) {
  while (*text != '\0') {
    if (begins_with_word(text, word)) return true;
    while (*text != '\0' && *text != ' ') text++;
    while (*text == ' ') text++;
  }
  return false;
}
