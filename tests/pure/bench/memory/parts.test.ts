import { describe, expect, it } from 'vitest';
import { memoryColumns } from '../../../../src/bench/memory/columns.js';
import { perIteration } from '../../../../src/bench/memory/counters.js';
import { mergeColumns } from '../../../../src/bench/memory/merge.js';
import { parseBenchResult } from '../../../../src/bench/result.js';
import { memoryResult } from './made-up.js';

const COLUMNS = ['EPT 4 KiB', 'EPT 2 MiB', 'shadow 4 KiB', 'shadow 2 MiB'];
const missing = (kvm: Parameters<typeof memoryColumns>[0], isLargeHad = true) =>
  memoryColumns(kvm, isLargeHad).map((column) => column.missing);

describe('the columns of bench memory', () => {
  it('are two ways of paging with two sizes of page each', () => {
    const kvm = { flavour: 'kvm_intel', parameters: { ept: 'Y' } } as const;
    expect(memoryColumns(kvm, true).map(({ name, hugePages }) => [name, hugePages])).toEqual([
      ['EPT 4 KiB', 'none'],
      ['EPT 2 MiB', 'transparent'],
      ['shadow 4 KiB', 'none'],
      ['shadow 2 MiB', 'transparent'],
    ]);
    expect(memoryColumns({ flavour: 'kvm_amd', parameters: { npt: 'Y' } }, true)[1]?.name).toBe('NPT 2 MiB');
  });

  it.each([
    ['kvm_intel', { ept: 'Y' }, 'kvm_intel was loaded with ept=1, and has this with ept=0', [2, 3]],
    ['kvm_intel', { ept: 'N' }, 'kvm_intel was loaded with ept=0, and has this with ept=1', [0, 1]],
    ['kvm_amd', { npt: 'Y' }, 'kvm_amd was loaded with npt=1, and has this with npt=0', [2, 3]],
    ['kvm_amd', { npt: 'N' }, 'kvm_amd was loaded with npt=0, and has this with npt=1', [0, 1]],
    ['kvm_pvm', {}, 'kvm_pvm has shadow paging alone', [0, 1]],
    ['unknown', {}, 'this KVM does not say whether it uses EPT', [0, 1, 2, 3]],
    ['kvm_amd', {}, 'this KVM does not say whether it uses NPT', [0, 1, 2, 3]],
    ['none', {}, '', []],
  ] as const)('that %s with %o has not say so', (flavour, parameters, why, columns) => {
    const expected = COLUMNS.map((_, at) => (columns.some((column) => column === at) ? why : undefined));
    expect(missing({ flavour, parameters })).toEqual(expected);
  });

  it('that have 2 MiB say where the host gives none', () => {
    const none = "this host's kernel gives no transparent huge pages";
    const loaded = 'kvm_intel was loaded with ept=1, and has this with ept=0';
    expect(missing({ flavour: 'kvm_intel', parameters: { ept: 'Y' } }, false)).toEqual([
      undefined,
      none,
      loaded,
      loaded,
    ]);
  });
});

describe("KVM's counters", () => {
  it('are what more iterations add, and the pages at the end', () => {
    const fewer = { exits: 700, pf_taken: 1600, pages_4k: 1500, pages_2m: 1, tlb_flush: 3 };
    const more = { exits: 703, pf_taken: 3136, pages_4k: 3036, pages_2m: 2, tlb_flush: 9 };
    expect(perIteration(fewer, more, 1536)).toEqual({ exits: 3 / 1536, pf_taken: 1, pages_4k: 3036, pages_2m: 2 });
    expect(perIteration({ exits: 703 }, { exits: 700 }, 1536)).toEqual({ exits: 0 });
  });
});

describe('the results of two hosts', () => {
  it('are put together, so that each column has what was measured', () => {
    const merged = mergeColumns(
      memoryResult(['EPT 4 KiB', 'EPT 2 MiB']),
      memoryResult(['shadow 4 KiB', 'shadow 2 MiB']),
    );
    expect(merged.engines.map(({ name }) => name)).toEqual(COLUMNS);
    expect(merged.engines.flatMap(({ cells }) => Object.values(cells).map(({ outcome }) => outcome))).toEqual(
      Array.from({ length: 16 }, () => 'measured'),
    );
    expect([merged.budgetS, merged.elapsedS]).toEqual([240, 2 * 98.7]);
    expect(parseBenchResult(JSON.stringify(merged), 'it')).toEqual(merged);
  });

  it('leave a column that neither has as it was', () => {
    const one = memoryResult(['EPT 4 KiB']);
    expect(mergeColumns(one, one).engines).toEqual(one.engines);
  });
});
