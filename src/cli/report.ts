import { writeFile } from '../host/write-file.js';
import { flavourName, softwareHost } from '../kvm/flavour.js';
import type { MachineEnd } from '../machine/end.js';
import type { ChosenHost } from './choose-host.js';

/** What every report has. */
export interface Outcome {
  readonly host: ChosenHost;
  readonly flavour: string;
  readonly end: MachineEnd;
  readonly status: number;
  readonly wallMs: number;
}

/** Where this process runs machines. */
export const whereWeAre = (): Pick<Outcome, 'host' | 'flavour'> => ({
  host: softwareHost() ?? 'local',
  flavour: flavourName(),
});

/**
 * Writes what happened as JSON.
 * @param more what only this command knows, or a machine that was not killed with its host
 */
export function writeReport(file: string, { host, flavour, end, status, wallMs }: Outcome, more: object = {}): void {
  const detail = end.reason === 'error' ? { error: { code: end.error.code, message: end.error.message } } : {};
  const report = {
    host,
    flavour,
    end: { reason: end.reason, status, ...('by' in end ? { by: end.by } : {}), ...detail },
    wallMs: Math.round(wallMs),
    ...more,
  };
  writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
}
