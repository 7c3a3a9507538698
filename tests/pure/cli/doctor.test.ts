import { expect, test } from 'vitest';
import { examinationText } from '../../../src/cli/doctor.js';

test('doctor aligns its findings and says under a fault what to do', () => {
  const text = examinationText({
    flavour: 'none',
    localUsable: false,
    findings: [
      { what: 'CPU', ok: true, seen: 'GenuineIntel', mend: '' },
      { what: '/dev/kvm', ok: false, seen: 'does not exist', mend: 'modprobe kvm_intel' },
    ],
  });
  expect(text).toBe(
    'ok  CPU       GenuineIntel\n--  /dev/kvm  does not exist\n              to mend: modprobe kvm_intel\n',
  );
});
