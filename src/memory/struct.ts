/**
 * Flat structs in shared memory: a device's whole state. Fields have names, so a snapshot is a copy by name;
 * every thread that lays the struct over the same buffer sees the same values.
 * Access is not atomic: the bus holds the device's lock where more than one thread may touch a device.
 */
type Scalar = 'u8' | 'u16' | 'u32' | 'i32' | 'f64';
type FieldType = Scalar | { readonly bytes: number };
export type Fields = Readonly<Record<string, FieldType>>;

export const u8 = 'u8';
export const u16 = 'u16';
export const u32 = 'u32';
export const i32 = 'i32';
export const f64 = 'f64';
/** A byte array of fixed length, seen as a Uint8Array. */
export const bytes = (length: number): { readonly bytes: number } => ({ bytes: length });

export type Laid<F extends Fields> = {
  -readonly [K in keyof F]: F[K] extends Scalar ? number : Uint8Array;
};

export interface Struct<F extends Fields> {
  /** Size in bytes, a multiple of 8. */
  readonly size: number;
  readonly fields: F;
  /** Lays the struct over `buffer` at `offset` (a multiple of 8). What is there is kept. */
  over(buffer: ArrayBufferLike, offset?: number): Laid<F>;
  /** A struct of its own, in fresh zeroed shared memory. */
  make(): Laid<F>;
}

/** The object that a struct gives: `StructOf<typeof uartState>`. */
export type StructOf<S> = S extends Struct<infer F> ? Laid<F> : never;

const SIZE: Record<Scalar, number> = { u8: 1, u16: 2, u32: 4, i32: 4, f64: 8 };

/** Describes a struct; fields are laid out in the order given, each aligned to its own size. */
export function struct<const F extends Fields>(fields: F): Struct<F> {
  const places: { name: string; type: FieldType; offset: number }[] = [];
  let end = 0;
  for (const [name, type] of Object.entries(fields)) {
    const size = typeof type === 'string' ? SIZE[type] : type.bytes;
    const alignment = typeof type === 'string' ? size : 8;
    const offset = Math.ceil(end / alignment) * alignment;
    places.push({ name, type, offset });
    end = offset + size;
  }
  const size = Math.ceil(end / 8) * 8;
  const over = (buffer: ArrayBufferLike, base = 0): Laid<F> => {
    const laid = {};
    for (const { name, type, offset } of places) define(laid, name, type, buffer, base + offset);
    return laid as Laid<F>;
  };
  return { size, fields, over, make: () => over(new SharedArrayBuffer(size)) };
}

function define(laid: object, name: string, type: FieldType, buffer: ArrayBufferLike, at: number): void {
  if (typeof type !== 'string') {
    Object.defineProperty(laid, name, { value: new Uint8Array(buffer, at, type.bytes), enumerable: true });
    return;
  }
  const cell = cellOver(type, buffer, at);
  Object.defineProperty(laid, name, {
    enumerable: true,
    get: () => cell[0],
    set: (value: number) => {
      cell[0] = value;
    },
  });
}

function cellOver(type: Scalar, buffer: ArrayBufferLike, at: number): { 0: number } {
  switch (type) {
    case 'u8':
      return one(new Uint8Array(buffer, at, 1));
    case 'u16':
      return one(new Uint16Array(buffer, at, 1));
    case 'u32':
      return one(new Uint32Array(buffer, at, 1));
    case 'i32':
      return one(new Int32Array(buffer, at, 1));
    case 'f64':
      return one(new Float64Array(buffer, at, 1));
  }
}

/** A typed array of length 1 always has its element 0. */
const one = (array: ArrayLike<number>): { 0: number } => array as unknown as { 0: number };
