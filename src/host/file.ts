/** A file to bring into the host: as bytes, or as a file here. Its times and owner do not come along. */
export type HostFile = { readonly path: string; readonly mode?: number } & (
  | { readonly bytes: Uint8Array }
  | { readonly source: string }
);
