// The part of WebAssembly's JavaScript interface that is used here; TypeScript has it only with the DOM's types.
declare namespace WebAssembly {
  class Memory {
    constructor(descriptor: { initial: number; maximum: number; shared: true });
    readonly buffer: SharedArrayBuffer;
  }
}
