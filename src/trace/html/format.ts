/** Numbers for people. For both sides, Node and the page. */

const UNITS = [
  ['s', 1e9],
  ['ms', 1e6],
  ['µs', 1e3],
] as const;

/** "850 ns", "12.3 µs", "4.56 s". */
export function duration(ns: number): string {
  const [unit, size] = UNITS.find(([, least]) => Math.abs(ns) >= least * 0.9995) ?? ['ns', 1];
  if (size === 1) return `${Math.round(ns)} ns`;
  const value = ns / size;
  return `${value.toFixed(Math.abs(value) < 9.995 ? 2 : Math.abs(value) < 99.95 ? 1 : 0)} ${unit}`;
}

/** A moment, with all digits: "1 234.567 890 ms" without its blanks. */
export function moment(ns: number): string {
  return `${grouped((Math.round(ns) / 1000).toFixed(3))} µs`;
}

/** "1,234,567". */
export function grouped(value: number | string): string {
  const [whole = '', fraction] = String(value).split('.');
  const parts = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? parts : `${parts}.${fraction}`;
}

/** "37.5 %"; something never reads as nothing. */
export function percent(share: number): string {
  if (share > 0 && share < 0.0005) return '< 0.1 %';
  return `${(share * 100).toFixed(1)} %`;
}
