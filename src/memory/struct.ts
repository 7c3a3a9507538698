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
  /** What the fields hold now, by name, in memory of its own: what a snapshot keeps. */
  valuesOf(laid: Laid<F>): Laid<F>;
}

/** The object that a struct gives: `StructOf<typeof uartState>`. */
export type StructOf<S> = S extends Struct<infer F> ? Laid<F> : never;

const SIZE: Record<Scalar, number> = { u8: 1, u16: 2, u32: 4, i32: 4, f64: 8 };

/** The views of one struct: an array for each scalar type, over the same bytes. */
interface Views {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
}

interface Place {
  readonly name: string;
  readonly type: FieldType;
  readonly offset: number;
}

/** Describes a struct; fields are laid out in the order given, each aligned to its own size. */
export function struct<const F extends Fields>(fields: F): Struct<F> {
  const places: Place[] = [];
  let end = 0;
  for (const [name, type] of Object.entries(fields)) {
    const size = bytesOf(type);
    const alignment = typeof type === 'string' ? size : 8;
    const offset = Math.ceil(end / alignment) * alignment;
    places.push({ name, type, offset });
    end = offset + size;
  }
  const size = Math.ceil(end / 8) * 8;
  const Over = classOf(places);
  const over = (buffer: ArrayBufferLike, base = 0): Laid<F> => new Over(viewsOf(buffer, base, size)) as Laid<F>;
  const unshared = (value: number | Uint8Array): number | Uint8Array =>
    typeof value === 'number' ? value : Uint8Array.from(value);
  const valuesOf = (laid: Laid<F>): Laid<F> =>
    Object.fromEntries(places.map(({ name }) => [name, unshared(laid[name as keyof F])])) as Laid<F>;
  return { size, fields, over, make: () => over(new SharedArrayBuffer(size)), valuesOf };
}

function viewsOf(buffer: ArrayBufferLike, base: number, size: number): Views {
  return {
    u8: new Uint8Array(buffer, base, size),
    u16: new Uint16Array(buffer, base, size / 2),
    u32: new Uint32Array(buffer, base, size / 4),
    i32: new Int32Array(buffer, base, size / 4),
    f64: new Float64Array(buffer, base, size / 8),
  };
}

/**
 * A class with an accessor for each field. It is made of text: V8 compiles each accessor by itself then, with the place
 * as a constant, and inlines it. Closures of one function share what V8 learns of them, and are never inlined: a device
 * was some ten times slower.
 */
function classOf(places: readonly Place[]): new (views: Views) => object {
  const arrays = places.filter(({ type }) => typeof type !== 'string');
  const scalars = places.filter(({ type }) => typeof type === 'string');
  const text = `
    return class {
      #u8; #u16; #u32; #i32; #f64;
      ${arrays.map(({ name }) => `${identifier(name)};`).join(' ')}
      constructor({ u8, u16, u32, i32, f64 }) {
        this.#u8 = u8; this.#u16 = u16; this.#u32 = u32; this.#i32 = i32; this.#f64 = f64;
        ${arrays.map(({ name, type, offset }) => `this.${name} = u8.subarray(${offset}, ${offset + bytesOf(type)});`).join('\n')}
      }
      ${scalars.map(accessors).join('\n')}
    };`;
  return new Function(text)() as new (
    views: Views,
  ) => object;
}

function accessors({ name, type, offset }: Place): string {
  const element = `this.#${String(type)}[${offset / bytesOf(type)}]`;
  return `get ${identifier(name)}() { return ${element}; } set ${name}(value) { ${element} = value; }`;
}

const bytesOf = (type: FieldType): number => (typeof type === 'string' ? SIZE[type] : type.bytes);

/** Names come from this program's own source; nothing else may become code. */
function identifier(name: string): string {
  if (!/^[a-zA-Z][a-zA-Z0-9]*$/.test(name)) throw new RangeError(`"${name}" is no name of a field`);
  return name;
}
