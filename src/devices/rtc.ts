/**
 * The real-time clock and CMOS memory of a PC: an MC146818 (Motorola data sheet, 1984) with 128 bytes, its index
 * register at offset 0, data at 1, each a byte wide. The time is the host's plus an offset, which the guest changes
 * by setting the clock; day of the week follows from the date and cannot be set to another.
 * The flags are worked out when somebody looks: what came to pass between the last look and now. Only an interrupt
 * that is enabled needs the timer. A periodic interrupt comes as often as the guest reads register C and the host's
 * timer allows (about once a millisecond): those between are lost, as to a guest that is late on the real part.
 * Left out: the square wave, daylight saving, and the NMI mask in bit 7 of the index.
 */
import { bytes, f64, type StructOf, struct, u8 } from '../memory/struct.js';
import type { Clock, InterruptLine, Registers, Timed, Timer } from './device.js';
import { nextAlarm } from './rtc-alarm.js';

const INDEX = 0;
const DATA = 1;
/** Bit 7 of the index masks NMI on a PC. */
const INDEX_MASK = 0x7f;
const CMOS_BYTES = 128;
const ALL_ONES = 0xff;

/** Address map (data sheet, figure 11). */
const SECONDS = 0x00;
const SECONDS_ALARM = 0x01;
const MINUTES = 0x02;
const MINUTES_ALARM = 0x03;
const HOURS = 0x04;
const HOURS_ALARM = 0x05;
const DAY_OF_WEEK = 0x06;
const DATE_OF_MONTH = 0x07;
const MONTH = 0x08;
const YEAR = 0x09;
const REGISTER_A = 0x0a;
const REGISTER_B = 0x0b;
const REGISTER_C = 0x0c;
const REGISTER_D = 0x0d;
/** A convention of PCs, which ACPI's FADT names to the system. */
const CENTURY = 0x32;
const TIME_REGISTERS = [SECONDS, MINUTES, HOURS, DAY_OF_WEEK, DATE_OF_MONTH, MONTH, YEAR, CENTURY] as const;

/** Register A. */
const UPDATE_IN_PROGRESS = 1 << 7;
/** Divider bits DV2 and DV1 both set: the divider is held in reset. */
const DIVIDER_RESET = 0x60;
/** RS3 to RS0. 3 to 15: 65,536 Hz by 2^RS. 1 and 2 are 256 and 128 Hz (data sheet, table 3, 32.768 kHz time base). */
const RATE_SELECT = 0x0f;
const RATE_BASE_HZ = 65536;
const RATES_1_AND_2_AS = 7;
/** DV: 32.768 kHz; rate: 1,024 Hz, as PC firmware leaves them. */
const REGISTER_A_DEFAULT = 0x26;

/** Register B. */
const SET = 1 << 7;
const UPDATE_ENDED_ENABLE = 1 << 4;
/** PIE, AIE and UIE are where their flags are in register C. */
const ENABLES = 0x70;
/** DM: binary instead of BCD. */
const DATA_MODE_BINARY = 1 << 2;
/** 24/12. */
const HOURS_24 = 1 << 1;

/** Register C, which a read clears. */
const INTERRUPT_REQUEST = 1 << 7;
const PERIODIC = 1 << 6;
const ALARM = 1 << 5;
const UPDATE_ENDED = 1 << 4;

/** An alarm byte with both top bits set is "don't care". */
const DONT_CARE = 0xc0;

/** Register D: VRT, valid RAM and time. */
const VALID_RAM_AND_TIME = 1 << 7;

/** Bit 7 of the hours in 12-hour mode. */
const PM = 1 << 7;

const SECOND_MS = 1000;
/** UIP rises 244 µs before an update cycle, which takes 1,984 µs (data sheet, table 5); the time is new at its end. */
const UPDATE_WINDOW_MS = 0.244 + 1.984;
/** A divider that leaves reset makes its first update half a second later. */
const FIRST_UPDATE_MS = 500;

/** Memory sizes in CMOS, as PC firmware leaves them (little-endian). */
const BASE_MEMORY = 0x15;
const EXTENDED_MEMORY = 0x17;
const EXTENDED_MEMORY_POST = 0x30;
const MEMORY_ABOVE_16_MIB = 0x34;
const MEMORY_ABOVE_4_GIB = 0x5b;
const BASE_MEMORY_KIB = 640;
const KIB = 1024;
const MIB = 0x100000;
const UNIT_64_KIB = 0x10000;
const MAX_16_BITS = 0xffff;
const MAX_24_BITS = 0xffffff;
/** The sum of the bytes 0x10 to 0x2d, high byte first (IBM PC AT Technical Reference, "CMOS RAM"). */
const CHECKSUM = 0x2e;
const CHECKSUM_START = 0x10;

export const rtcState = struct({
  index: u8,
  cmos: bytes(CMOS_BYTES),
  /** Guest time minus host time, ms. */
  offsetMs: f64,
  /** PF, AF and UF of register C. */
  flags: u8,
  /** The guest's second, since 1970, up to which the flags tell what happened; 0: none yet. */
  flagsSecond: f64,
  /** Likewise, the number of the period since 1970. */
  flagsPeriod: f64,
});

/** The guest's RAM in bytes, on either side of 4 GiB. */
export interface RamSizes {
  readonly below4GiB: number;
  readonly above4GiB: number;
}

/** Fills the CMOS as firmware does: BCD, 24 hours, memory sizes. */
export function initRtc(state: StructOf<typeof rtcState>, { below4GiB, above4GiB }: RamSizes): void {
  const { cmos } = state;
  cmos[REGISTER_A] = REGISTER_A_DEFAULT;
  cmos[REGISTER_B] = HOURS_24;
  const extended = units(below4GiB - MIB, KIB, MAX_16_BITS);
  put(cmos, BASE_MEMORY, BASE_MEMORY_KIB, 2);
  put(cmos, EXTENDED_MEMORY, extended, 2);
  put(cmos, EXTENDED_MEMORY_POST, extended, 2);
  put(cmos, MEMORY_ABOVE_16_MIB, units(below4GiB - 16 * MIB, UNIT_64_KIB, MAX_16_BITS), 2);
  put(cmos, MEMORY_ABOVE_4_GIB, units(above4GiB, UNIT_64_KIB, MAX_24_BITS), 3);
  const sum = cmos.subarray(CHECKSUM_START, CHECKSUM).reduce((total, byte) => total + byte, 0);
  cmos[CHECKSUM] = sum >> 8;
  cmos[CHECKSUM + 1] = sum & 0xff;
}

const units = (size: number, unit: number, most: number): number =>
  Math.min(Math.max(Math.floor(size / unit), 0), most);

function put(cmos: Uint8Array, at: number, value: number, length: number): void {
  for (let i = 0; i < length; i++) cmos[at + i] = value >>> (8 * i);
}

/** What an RTC is connected to. */
export interface RtcWiring {
  /** Only its wall clock is used. */
  readonly clock: Clock;
  /** IRQ 8. */
  readonly irq: InterruptLine;
  readonly timer: Timer;
}

export class Rtc implements Registers, Timed {
  constructor(
    private readonly state: StructOf<typeof rtcState>,
    private readonly wiring: RtcWiring,
  ) {}

  /** The index register cannot be read. */
  read(offset: number): number {
    return offset === DATA ? this.#readRegister(this.state.index) : ALL_ONES;
  }

  write(offset: number, value: number): void {
    if (offset === INDEX) this.state.index = value & INDEX_MASK;
    else if (offset === DATA) this.#writeRegister(this.state.index, value & 0xff);
  }

  expire(): void {
    this.#look();
    this.#updateInterrupt();
  }

  #readRegister(index: number): number {
    switch (index) {
      case REGISTER_A:
        return this.#at(REGISTER_A) | (this.#updateInProgress() ? UPDATE_IN_PROGRESS : 0);
      case REGISTER_C:
        return this.#takeFlags();
      case REGISTER_D:
        return VALID_RAM_AND_TIME;
      default:
        return isTime(index) && !this.#held() ? this.#timeRegister(index, new Date(this.#timeMs())) : this.#at(index);
    }
  }

  #writeRegister(index: number, value: number): void {
    const { cmos } = this.state;
    if (index === REGISTER_C || index === REGISTER_D) return;
    if (index > REGISTER_D && index !== CENTURY) {
      cmos[index] = value;
      return;
    }
    // What happened until now happened to the registers as they were.
    this.#look();
    if (index === REGISTER_A) this.#control(REGISTER_A, value & ~UPDATE_IN_PROGRESS, FIRST_UPDATE_MS);
    // SET clears UIE (data sheet, "Register B").
    else if (index === REGISTER_B)
      this.#control(REGISTER_B, value & SET ? value & ~UPDATE_ENDED_ENABLE : value, this.#timeMs() % SECOND_MS);
    else if (isTime(index) && !this.#held()) this.#setOne(index, value);
    else cmos[index] = value;
    this.#updateInterrupt();
  }

  /** Whether the time stands still: the guest sets it (SET), or holds the divider in reset. */
  #held(): boolean {
    return (this.#at(REGISTER_B) & SET) !== 0 || (this.#at(REGISTER_A) & DIVIDER_RESET) === DIVIDER_RESET;
  }

  #timeMs(): number {
    return this.wiring.clock.wallMs() + this.state.offsetMs;
  }

  #updateInProgress(): boolean {
    return !this.#held() && this.#timeMs() % SECOND_MS >= SECOND_MS - UPDATE_WINDOW_MS;
  }

  #at(index: number): number {
    return this.state.cmos[index] ?? 0;
  }

  /** Writes register A or B; where that lets the time run again, it runs from the registers plus `fractionMs`. */
  #control(register: number, value: number, fractionMs: number): void {
    const before = this.#held();
    const periodBefore = this.#periodMs();
    this.state.cmos[register] = value;
    if (!before && this.#held()) this.#freeze();
    if (before && !this.#held()) this.#release(fractionMs);
    if (this.#periodMs() !== periodBefore) this.state.flagsPeriod = this.#period();
  }

  /** Puts the time into its registers. */
  #freeze(): void {
    const date = new Date(this.#timeMs());
    for (const index of TIME_REGISTERS) this.state.cmos[index] = this.#timeRegister(index, date);
  }

  #release(fractionMs: number): void {
    this.state.offsetMs = this.#registersMs() + fractionMs - this.wiring.clock.wallMs();
    this.#forgetMissed();
  }

  #setOne(index: number, value: number): void {
    const fraction = this.#timeMs() % SECOND_MS;
    this.#freeze();
    this.state.cmos[index] = value;
    this.#release(fraction);
  }

  /** Register C, cleared by this. */
  #takeFlags(): number {
    this.#look();
    const { flags } = this.state;
    const request = (flags & this.#at(REGISTER_B) & ENABLES) !== 0 ? INTERRUPT_REQUEST : 0;
    this.state.flags = 0;
    this.#updateInterrupt();
    return flags | request;
  }

  /** Sets the flags of what came to pass since the last look. */
  #look(): void {
    const { state } = this;
    const second = Math.floor(this.#timeMs() / SECOND_MS);
    if (state.flagsSecond === 0) this.#forgetMissed();
    if (!this.#held() && second !== state.flagsSecond) {
      state.flags |= UPDATE_ENDED;
      // Where the host's clock was set back there is nothing between: this second alone counts.
      const since = Math.min(state.flagsSecond, second - 1);
      if (nextAlarm(this.#alarm(), since) <= second) state.flags |= ALARM;
      state.flagsSecond = second;
    }
    const period = this.#period();
    if (period !== state.flagsPeriod) {
      if (this.#periodMs() !== Number.POSITIVE_INFINITY) state.flags |= PERIODIC;
      state.flagsPeriod = period;
    }
  }

  /** The time or the rate was changed: what the jump passes over did not happen. */
  #forgetMissed(): void {
    this.state.flagsSecond = Math.floor(this.#timeMs() / SECOND_MS);
    this.state.flagsPeriod = this.#period();
  }

  /** Drives the line, and sets the timer for what is next where that interrupts. */
  #updateInterrupt(): void {
    const { flags, flagsSecond, flagsPeriod, offsetMs } = this.state;
    const { irq, timer } = this.wiring;
    const enabled = this.#at(REGISTER_B) & ENABLES;
    const requested = (flags & enabled) !== 0;
    irq.set(requested);
    let due = Number.POSITIVE_INFINITY;
    if (!requested) {
      if ((enabled & PERIODIC) !== 0) due = (flagsPeriod + 1) * this.#periodMs();
      if (!this.#held() && (enabled & UPDATE_ENDED) !== 0) due = Math.min(due, (flagsSecond + 1) * SECOND_MS);
      if (!this.#held() && (enabled & ALARM) !== 0)
        due = Math.min(due, nextAlarm(this.#alarm(), flagsSecond) * SECOND_MS);
    }
    timer.set(due - offsetMs);
  }

  #alarm() {
    const at = (index: number, decode: (raw: number) => number): number | undefined => {
      const raw = this.#at(index);
      return (raw & DONT_CARE) === DONT_CARE ? undefined : decode(raw);
    };
    return {
      hour: at(HOURS_ALARM, (raw) => this.#decodeHours(raw)),
      minute: at(MINUTES_ALARM, (raw) => this.#decodeValue(raw)),
      second: at(SECONDS_ALARM, (raw) => this.#decodeValue(raw)),
    };
  }

  /** Between two periodic interrupts; Infinity: there are none. The divider's reset stops them, SET does not. */
  #periodMs(): number {
    const control = this.#at(REGISTER_A);
    const rate = control & RATE_SELECT;
    if (rate === 0 || (control & DIVIDER_RESET) === DIVIDER_RESET) return Number.POSITIVE_INFINITY;
    return (2 ** (rate < 3 ? rate + RATES_1_AND_2_AS : rate) * SECOND_MS) / RATE_BASE_HZ;
  }

  /** The number of the period that runs. */
  #period(): number {
    const ms = this.#periodMs();
    return ms === Number.POSITIVE_INFINITY ? 0 : Math.floor(this.#timeMs() / ms);
  }

  #timeRegister(index: number, date: Date): number {
    switch (index) {
      case SECONDS:
        return this.#encode(date.getUTCSeconds());
      case MINUTES:
        return this.#encode(date.getUTCMinutes());
      case HOURS:
        return this.#encodeHours(date.getUTCHours());
      case DAY_OF_WEEK:
        return this.#encode(date.getUTCDay() + 1);
      case DATE_OF_MONTH:
        return this.#encode(date.getUTCDate());
      case MONTH:
        return this.#encode(date.getUTCMonth() + 1);
      case YEAR:
        return this.#encode(date.getUTCFullYear() % 100);
      default:
        return this.#encode(Math.floor(date.getUTCFullYear() / 100));
    }
  }

  /** What the time registers say, whole seconds in ms. Values that are no date roll over, as in Date.UTC. */
  #registersMs(): number {
    const year = this.#decode(CENTURY) * 100 + this.#decode(YEAR);
    const day = this.#decode(DATE_OF_MONTH);
    return Date.UTC(
      year,
      this.#decode(MONTH) - 1,
      day,
      this.#decodeHours(this.#at(HOURS)),
      this.#decode(MINUTES),
      this.#decode(SECONDS),
    );
  }

  #encode(value: number): number {
    if ((this.#at(REGISTER_B) & DATA_MODE_BINARY) !== 0) return value & 0xff;
    return ((Math.floor(value / 10) << 4) | (value % 10)) & 0xff;
  }

  #encodeHours(hours: number): number {
    if ((this.#at(REGISTER_B) & HOURS_24) !== 0) return this.#encode(hours);
    return this.#encode(hours % 12 || 12) | (hours >= 12 ? PM : 0);
  }

  #decode(index: number): number {
    return this.#decodeValue(this.#at(index));
  }

  #decodeValue(raw: number): number {
    if ((this.#at(REGISTER_B) & DATA_MODE_BINARY) !== 0) return raw;
    return (raw >> 4) * 10 + (raw & 0xf);
  }

  #decodeHours(raw: number): number {
    if ((this.#at(REGISTER_B) & HOURS_24) !== 0) return this.#decodeValue(raw);
    return (this.#decodeValue(raw & ~PM) % 12) + ((raw & PM) !== 0 ? 12 : 0);
  }
}

function isTime(index: number): boolean {
  const alarm = index === SECONDS_ALARM || index === MINUTES_ALARM || index === HOURS_ALARM;
  return index === CENTURY || (index <= YEAR && !alarm);
}
