import { elf } from './images.js';

export interface TestSymbol {
  readonly name: string;
  readonly address: number;
  readonly size: number;
}

/** An ELF executable with a symbol table behind it: names, symbols, then the section headers. */
export function elfWithSymbols(bits: 32 | 64, symbols: readonly TestSymbol[]): Buffer {
  const file = elf({ bits });
  const names = Buffer.from(['', ...symbols.map(({ name }) => name), ''].join('\0'), 'latin1');
  const [symbolBytes, headerBytes, shoff] = bits === 64 ? [24, 64, 40] : [16, 40, 32];
  const table = Buffer.alloc((symbols.length + 1) * symbolBytes);
  let nameAt = 1;
  symbols.forEach(({ name, address, size }, i) => {
    const at = (i + 1) * symbolBytes;
    table.writeUInt32LE(nameAt, at);
    nameAt += name.length + 1;
    if (bits === 64) {
      table.writeUInt8(2, at + 4); // STT_FUNC
      table.writeUInt16LE(1, at + 6);
      table.writeBigUInt64LE(BigInt(address), at + 8);
      table.writeBigUInt64LE(BigInt(size), at + 16);
    } else {
      table.writeUInt32LE(address, at + 4);
      table.writeUInt32LE(size, at + 8);
      table.writeUInt8(2, at + 12);
      table.writeUInt16LE(1, at + 14);
    }
  });
  const headers = Buffer.alloc(3 * headerBytes); // the first is empty
  const header = (index: number, type: number, offset: number, size: number, link: number): void => {
    const at = index * headerBytes;
    headers.writeUInt32LE(type, at + 4);
    if (bits === 64) {
      headers.writeBigUInt64LE(BigInt(offset), at + 24);
      headers.writeBigUInt64LE(BigInt(size), at + 32);
      headers.writeUInt32LE(link, at + 40);
    } else {
      headers.writeUInt32LE(offset, at + 16);
      headers.writeUInt32LE(size, at + 20);
      headers.writeUInt32LE(link, at + 24);
    }
  };
  const namesAt = file.length;
  header(1, 3, namesAt, names.length, 0); // SHT_STRTAB
  header(2, 2, namesAt + names.length, table.length, 1); // SHT_SYMTAB
  const headersAt = namesAt + names.length + table.length;
  if (bits === 64) file.writeBigUInt64LE(BigInt(headersAt), shoff);
  else file.writeUInt32LE(headersAt, shoff);
  file.writeUInt16LE(headerBytes, shoff + (bits === 64 ? 18 : 14));
  file.writeUInt16LE(3, shoff + (bits === 64 ? 20 : 16));
  return Buffer.concat([file, names, table, headers]);
}
