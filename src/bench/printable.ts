const LONGEST = 120;

/** For a message of one line: what an engine printed may hold anything. */
export function printable(text: string): string {
  const clean = text.replace(/[^ -~…]+/g, '?').trim();
  return clean.length <= LONGEST ? clean : `${clean.slice(0, LONGEST)}…`;
}
