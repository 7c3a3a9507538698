/** Rows as columns of typed arrays: small to embed, quick to read. For both sides, Node and the page. */

const ARRAYS = {
  u8: Uint8Array,
  u16: Uint16Array,
  u32: Uint32Array,
  f64: Float64Array,
  u64: BigUint64Array,
} as const;

type Kind = keyof typeof ARRAYS;
type ArrayOf<K extends Kind> = InstanceType<(typeof ARRAYS)[K]>;
export type Schema = Readonly<Record<string, Kind>>;
export type Row<S extends Schema> = { readonly [Name in keyof S]: ArrayOf<S[Name]>[number] };
type Columns<S extends Schema> = { [Name in keyof S]: ArrayOf<S[Name]> };

const FIRST_ROWS = 1024;

/** Grows by doubling; a value too large for its column loses its upper bits, as in any typed array. */
export class Table<S extends Schema> {
  length = 0;
  readonly #schema: S;
  #columns: Columns<S>;
  #room: number;

  constructor(schema: S, room = FIRST_ROWS) {
    this.#schema = schema;
    this.#room = room;
    this.#columns = mapSchema(schema, (kind) => new ARRAYS[kind](room));
  }

  push(row: Row<S>): void {
    if (this.length === this.#room) this.#grow();
    for (const name of Object.keys(this.#schema) as (keyof S)[]) this.#columns[name][this.length] = row[name];
    this.length++;
  }

  at<Name extends keyof S>(name: Name, index: number): Row<S>[Name] {
    const value = this.#columns[name][index];
    if (value === undefined) throw new RangeError(`row ${index} of ${this.length}`);
    return value;
  }

  /** All columns, one after another; of each first all lowest bytes, since equal bytes side by side pack better. */
  toBytes(): Uint8Array {
    const parts = Object.values<ArrayOf<Kind>>(this.#columns).map((column) =>
      byPlane(bytesOf(column.subarray(0, this.length)), column.BYTES_PER_ELEMENT),
    );
    const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** What `toBytes` made, found at the beginning of `bytes`; with it what follows. */
  static fromBytes<S extends Schema>(
    schema: S,
    length: number,
    bytes: Uint8Array,
  ): [table: Table<S>, rest: Uint8Array] {
    const table = new Table(schema, length);
    let at = 0;
    for (const column of Object.values<ArrayOf<Kind>>(table.#columns)) {
      const { byteLength, BYTES_PER_ELEMENT } = column;
      const planes = bytes.subarray(at, at + byteLength);
      if (planes.length < byteLength) throw new RangeError('columns are cut off');
      bytesOf(column).set(byPlane(planes, byteLength / BYTES_PER_ELEMENT));
      at += byteLength;
    }
    table.length = length;
    return [table, bytes.subarray(at)];
  }

  #grow(): void {
    const old = this.#columns;
    this.#room = Math.max(this.#room * 2, FIRST_ROWS);
    this.#columns = mapSchema(this.#schema, (kind, name) => {
      const column = new ARRAYS[kind](this.#room);
      bytesOf(column).set(bytesOf(old[name]));
      return column;
    });
  }
}

function mapSchema<S extends Schema>(schema: S, make: (kind: Kind, name: keyof S) => ArrayOf<Kind>): Columns<S> {
  return Object.fromEntries(Object.entries(schema).map(([name, kind]) => [name, make(kind, name)])) as Columns<S>;
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayOf<Kind>): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Transposes a matrix of bytes: by an element's width there, by the number of elements back again. */
function byPlane(bytes: Uint8Array, width: number): Uint8Array {
  const result = new Uint8Array(bytes.length);
  const rows = bytes.length / width;
  let at = 0;
  for (let column = 0; column < width; column++) {
    for (let row = 0; row < rows; row++) result[at++] = bytes[row * width + column] ?? 0;
  }
  return result;
}
