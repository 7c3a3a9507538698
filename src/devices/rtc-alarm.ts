/** When an alarm of the MC146818 is next due (data sheet, "Time, Calendar, and Alarm Locations"). */

/** The alarm's hour, minute and second; undefined: "don't care", it matches any. */
export interface AlarmTime {
  readonly hour: number | undefined;
  readonly minute: number | undefined;
  readonly second: number | undefined;
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * The first second after `second` (both whole, since 1970) that the alarm matches; Infinity for a time that no clock
 * shows, such as minute 75.
 */
export function nextAlarm(alarm: AlarmTime, second: number): number {
  const from = second + 1;
  const day = Math.floor(from / DAY) * DAY;
  const ofDay = from - day;
  const hour = Math.floor(ofDay / HOUR);
  const minute = Math.floor((ofDay % HOUR) / MINUTE);
  const inRanges = (...ranges: readonly [Range, Range, Range]) => firstOf(alarm, ranges);
  // This minute, a later one of this hour, a later hour of this day, the next day: the first that there is.
  const today =
    inRanges([hour, hour + 1], [minute, minute + 1], [ofDay % MINUTE, 60]) ??
    inRanges([hour, hour + 1], [minute + 1, 60], [0, 60]) ??
    inRanges([hour + 1, 24], [0, 60], [0, 60]);
  if (today !== undefined) return day + today;
  const tomorrow = inRanges([0, 24], [0, 60], [0, 60]);
  return tomorrow === undefined ? Number.POSITIVE_INFINITY : day + DAY + tomorrow;
}

/** From the first on, below the second. */
type Range = readonly [number, number];

/** The first match with hour, minute and second each in its range, in seconds of the day. */
function firstOf(alarm: AlarmTime, [hours, minutes, seconds]: readonly [Range, Range, Range]): number | undefined {
  const hour = firstIn(alarm.hour, hours);
  const minute = firstIn(alarm.minute, minutes);
  const second = firstIn(alarm.second, seconds);
  if (hour === undefined || minute === undefined || second === undefined) return undefined;
  return hour * HOUR + minute * MINUTE + second;
}

function firstIn(wanted: number | undefined, [start, end]: Range): number | undefined {
  const value = wanted ?? start;
  return value >= start && value < end ? value : undefined;
}
