import { type Examination, examine } from '../host/examine.js';

const NO_USABLE_HOST = 4;

const MARKS = { ok: 'ok', note: '--', fault: '!!' } as const;

/** `vmlaunch doctor`: what this machine can run. Status 0 where some host can run guests now, else 4. */
export async function doctor({ json }: { readonly json: boolean }): Promise<number> {
  const examination = await examine();
  process.stdout.write(json ? `${JSON.stringify(examination, null, 2)}\n` : examinationText(examination));
  return doctorStatus(examination);
}

export function doctorStatus({ localUsable, hostsReady }: Examination): number {
  return localUsable || hostsReady.length > 0 ? 0 : NO_USABLE_HOST;
}

/** A line for each finding, and under a fault what to do. */
export function examinationText({ findings }: Examination): string {
  const width = Math.max(...findings.map(({ what }) => what.length));
  return findings
    .map(({ what, state, seen, mend }) => {
      const line = `${MARKS[state]}  ${what.padEnd(width)}  ${seen}\n`;
      return mend === '' ? line : `${line}    ${' '.repeat(width)}  to mend: ${mend}\n`;
    })
    .join('');
}
