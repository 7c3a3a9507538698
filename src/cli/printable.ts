/**
 * Text that anybody wrote, for a terminal: what moves its cursor, hides, turns round or is not one column wide is a dot.
 */
export function printable(text: string): string {
  return text.replace(NOT_ONE_COLUMN, '·');
}

/** All but ASCII, Latin, Greek, Cyrillic, punctuation, arrows, mathematics, boxes and blocks. */
const NOT_ONE_COLUMN =
  /[^ -~\u00a0-\u00ac\u00ae-\u02ff\u0370-\u0377\u037a-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2190-\u2311\u2500-\u25fc]|\p{C}/gu;
