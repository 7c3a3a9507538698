import { it } from 'vitest';
import { localKvm } from './flavour.js';
import { testFlavour } from './test-flavour.js';

const kvm = localKvm();
if (kvm.usable) await testFlavour('local');
else it('[local] every case', ({ skip }) => skip(kvm.why));
