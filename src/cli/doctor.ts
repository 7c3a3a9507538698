import { type Examination, examine } from '../host/examine.js';

const NO_USABLE_HOST = 4;

/** `vmlaunch doctor`: what this machine can run. Status 0 where some host is ready, else 4. */
export async function doctor({ json }: { readonly json: boolean }): Promise<number> {
  const examination = await examine();
  process.stdout.write(json ? `${JSON.stringify(examination, null, 2)}\n` : examinationText(examination));
  return hasHost(examination) ? 0 : NO_USABLE_HOST;
}

function hasHost({ localUsable, findings }: Examination): boolean {
  return localUsable || findings.some(({ what, ok }) => ok && what.startsWith('host '));
}

/** A line for each finding, and under it what to do. */
export function examinationText({ findings }: Examination): string {
  const width = Math.max(...findings.map(({ what }) => what.length));
  return findings
    .map(({ what, ok, seen, mend }) => {
      const line = `${ok ? 'ok' : '--'}  ${what.padEnd(width)}  ${seen}\n`;
      return mend === '' ? line : `${line}    ${' '.repeat(width)}  to mend: ${mend}\n`;
    })
    .join('');
}
