import type { ExitTableHead } from './exit-table.js';

/** Exits as JSON can carry them. */
export interface EmbeddedExits {
  readonly head: ExitTableHead;
  /** The columns, packed by gzip, in base64. */
  readonly bytes: string;
}

/** What a rip is: asked of the guest's symbols and memory by who makes the report. */
export interface InstructionWords {
  readonly symbol?: string | undefined;
  /** Disassembly. */
  readonly text?: string | undefined;
}

/** What the page's script reads besides the exits. */
export interface ReportWords {
  readonly flavour: string;
  /** By "0x100010". */
  readonly instructions: Readonly<Record<string, InstructionWords>>;
}
