/**
 * C struct layouts as data, with a reader and a writer: for calls off the hot path.
 * Members keep the kernel's names in camelCase (`guest_phys_addr` is `guestPhysAddr`), in the header's order, each
 * aligned to its own size as the x86-64 ABI says. A test compares every offset and size with <linux/kvm.h>.
 */
export type Scalar = 'u8' | 'u16' | 's16' | 'u32' | 's32' | 'u64' | 's64';
export interface Bytes {
  readonly kind: 'bytes';
  readonly size: number;
}
/** Padding: written as zeros, not given to readers. */
export interface Reserved {
  readonly kind: 'reserved';
  readonly size: number;
}
export interface ArrayOf<T extends FieldType> {
  readonly kind: 'array';
  readonly of: T;
  readonly length: number;
}
export interface Layout<F extends Fields = Fields> {
  readonly kind: 'layout';
  readonly size: number;
  readonly alignment: number;
  /** A member without a name in C: its own members are reached without it. */
  readonly anonymous: boolean;
  readonly fields: { readonly [K in keyof F]: Place<F[K]> };
}
export type FieldType = Scalar | Bytes | Reserved | ArrayOf<FieldType> | Layout;
export type Fields = { readonly [name: string]: FieldType };
/** Where a member is, in bytes from the start of its struct. */
export interface Place<T extends FieldType = FieldType> {
  readonly offset: number;
  readonly size: number;
  readonly type: T;
}

/** What a member's value is in TypeScript: 64-bit integers are bigints. */
export type Value<T> = T extends 'u64' | 's64'
  ? bigint
  : T extends Scalar
    ? number
    : T extends Bytes
      ? Uint8Array
      : T extends ArrayOf<infer U>
        ? Value<U>[]
        : T extends Layout<infer F>
          ? { -readonly [K in keyof F as F[K] extends Reserved ? never : K]: Value<F[K]> }
          : never;
/** The same, with any member left out; what is left out is written as zeros. */
export type PartialValue<T> =
  T extends ArrayOf<infer U>
    ? readonly PartialValue<U>[]
    : T extends Layout<infer F>
      ? { readonly [K in keyof F as F[K] extends Reserved ? never : K]?: PartialValue<F[K]> }
      : Value<T>;

const SCALAR_SIZE: Record<Scalar, number> = { u8: 1, u16: 2, s16: 2, u32: 4, s32: 4, u64: 8, s64: 8 };

export const bytes = (size: number): Bytes => ({ kind: 'bytes', size });
export const reserved = (size: number): Reserved => ({ kind: 'reserved', size });
export const array = <const T extends FieldType>(of: T, length: number): ArrayOf<T> => ({ kind: 'array', of, length });

/** A C struct. */
export function struct<const F extends Fields>(fields: F): Layout<F> {
  let end = 0;
  return lay(fields, false, (type) => {
    const offset = align(end, alignmentOf(type));
    end = offset + sizeOf(type);
    return offset;
  });
}

/** A C union: every member at its start. */
export const union = <const F extends Fields>(fields: F): Layout<F> => lay(fields, false, () => 0);
/** A union that has no name in C, such as the one of the exit reasons in kvm_run. */
export const anonymousUnion = <const F extends Fields>(fields: F): Layout<F> => lay(fields, true, () => 0);

function lay<const F extends Fields>(fields: F, anonymous: boolean, place: (type: FieldType) => number): Layout<F> {
  const places: Record<string, Place> = {};
  let alignment = 1;
  let end = 0;
  for (const [name, type] of Object.entries(fields)) {
    const offset = place(type);
    const size = sizeOf(type);
    places[name] = { offset, size, type };
    alignment = Math.max(alignment, alignmentOf(type));
    end = Math.max(end, offset + size);
  }
  const laid = { kind: 'layout', size: align(end, alignment), alignment, anonymous, fields: places } as const;
  return laid as unknown as Layout<F>;
}

const align = (offset: number, alignment: number): number => Math.ceil(offset / alignment) * alignment;

export function sizeOf(type: FieldType): number {
  if (typeof type === 'string') return SCALAR_SIZE[type];
  return type.kind === 'array' ? sizeOf(type.of) * type.length : type.size;
}

function alignmentOf(type: FieldType): number {
  if (typeof type === 'string') return SCALAR_SIZE[type];
  if (type.kind === 'layout') return type.alignment;
  return type.kind === 'array' ? alignmentOf(type.of) : 1;
}

/** Reads a struct from `source`, which starts with it. Byte members are copies. */
export function decode<F extends Fields>(layout: Layout<F>, source: Uint8Array): Value<Layout<F>> {
  return read(layout, viewOf(source), 0) as Value<Layout<F>>;
}

/** Writes a struct over the start of `target`, or into fresh memory. */
export function encode<F extends Fields>(
  layout: Layout<F>,
  value: PartialValue<Layout<F>>,
  target: Uint8Array = new Uint8Array(layout.size),
): Uint8Array {
  target.fill(0, 0, layout.size);
  write(layout, viewOf(target), 0, value);
  return target;
}

/** A struct with all members zero. */
export function zero<F extends Fields>(layout: Layout<F>): Value<Layout<F>> {
  return decode(layout, new Uint8Array(layout.size));
}

const viewOf = (source: Uint8Array): DataView => new DataView(source.buffer, source.byteOffset, source.byteLength);

function read(type: FieldType, view: DataView, at: number): unknown {
  if (typeof type === 'string') return readScalar(type, view, at);
  switch (type.kind) {
    case 'bytes':
      return new Uint8Array(view.buffer, view.byteOffset + at, type.size).slice();
    case 'reserved':
      return undefined;
    case 'array':
      return Array.from({ length: type.length }, (_, i) => read(type.of, view, at + i * sizeOf(type.of)));
    case 'layout': {
      const value: Record<string, unknown> = {};
      for (const [name, place] of Object.entries(type.fields)) {
        if (isReserved(place.type)) continue;
        value[name] = read(place.type, view, at + place.offset);
      }
      return value;
    }
  }
}

const isReserved = (type: FieldType): boolean => typeof type !== 'string' && type.kind === 'reserved';

function readScalar(type: Scalar, view: DataView, at: number): number | bigint {
  switch (type) {
    case 'u8':
      return view.getUint8(at);
    case 'u16':
      return view.getUint16(at, true);
    case 's16':
      return view.getInt16(at, true);
    case 'u32':
      return view.getUint32(at, true);
    case 's32':
      return view.getInt32(at, true);
    case 'u64':
      return view.getBigUint64(at, true);
    case 's64':
      return view.getBigInt64(at, true);
  }
}

function write(type: FieldType, view: DataView, at: number, value: unknown): void {
  if (value === undefined) return;
  if (typeof type === 'string') {
    writeScalar(type, view, at, value as number | bigint);
    return;
  }
  switch (type.kind) {
    case 'bytes':
      writeBytes(type.size, view, at, value as Uint8Array);
      return;
    case 'reserved':
      return;
    case 'array':
      writeArray(type, view, at, value as readonly unknown[]);
      return;
    case 'layout':
      for (const [name, place] of Object.entries(type.fields)) {
        write(place.type, view, at + place.offset, (value as Record<string, unknown>)[name]);
      }
  }
}

function writeBytes(size: number, view: DataView, at: number, value: Uint8Array): void {
  if (value.length > size) throw new RangeError(`${value.length} bytes do not fit into ${size}`);
  new Uint8Array(view.buffer, view.byteOffset + at, size).set(value);
}

function writeArray(type: ArrayOf<FieldType>, view: DataView, at: number, values: readonly unknown[]): void {
  if (values.length > type.length) throw new RangeError(`${values.length} elements do not fit into ${type.length}`);
  for (const [i, value] of values.entries()) write(type.of, view, at + i * sizeOf(type.of), value);
}

function writeScalar(type: Scalar, view: DataView, at: number, value: number | bigint): void {
  switch (SCALAR_SIZE[type]) {
    case 1:
      view.setUint8(at, Number(value));
      return;
    case 2:
      view.setUint16(at, Number(value), true);
      return;
    case 4:
      view.setUint32(at, Number(value), true);
      return;
    default:
      view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)), true);
  }
}
