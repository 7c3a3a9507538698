import assert from 'node:assert/strict';
import { Kvm } from '../../../dist/kvm/kvm.js';
import type { Case } from '../case.js';

export const cases: readonly Case[] = [
  {
    name: '/dev/kvm opens, has API version 12 and makes a VM',
    async run({ log }) {
      // open() itself asks for the version, and refuses every other than 12.
      using kvm = Kvm.open();
      const size = kvm.getVcpuMmapSize();
      log(`a vCPU's mapping has ${size} bytes`);
      assert.ok(size >= 4096 && size % 4096 === 0);
      kvm.createVm().close();
    },
  },
];
