import { describe, expect, it } from 'vitest';
import { ioQualification } from '../../../src/trace/io-qualification.js';

describe('[pure] what the hardware says of an I/O instruction', () => {
  it('is decoded as the SDM has it', () => {
    const plain = { size: 1, string: false, rep: false, operand: 'dx' };
    expect(ioQualification('IO_INSTRUCTION', 0x3fd0008n)).toEqual({ ...plain, write: false, port: 0x3fd });
    expect(ioQualification('IO_INSTRUCTION', 0xf40040n)).toEqual({
      ...plain,
      write: true,
      port: 0xf4,
      operand: 'immediate',
    });
    expect(ioQualification('IO_INSTRUCTION', 0x3f80030n)).toEqual({
      ...plain,
      write: true,
      port: 0x3f8,
      string: true,
      rep: true,
    });
    expect(ioQualification('IO_INSTRUCTION', 0x0cf8_0003n)).toMatchObject({ size: 4 });
  });

  it('is decoded as the APM has it', () => {
    const plain = { size: 1, string: false, rep: false };
    expect(ioQualification('io', 0x3fd0011n)).toEqual({ ...plain, write: false, port: 0x3fd });
    expect(ioQualification('io', 0x3f8001cn)).toEqual({ ...plain, write: true, port: 0x3f8, string: true, rep: true });
    expect(ioQualification('io', 0xcf80040n)).toMatchObject({ size: 4 });
  });

  it('is nothing for other exits', () => expect(ioQualification('EPT_VIOLATION', 0x182n)).toBeUndefined());
});
