import { describe, expect, it } from 'vitest';
import { describeHost, type HostFiles, loadOf } from '../../../src/bench/describe-host.js';

const CPU = '/sys/devices/system/cpu';
const WHERE = { kind: 'local', flavour: 'kvm_amd' } as const;

function filesOf(contents: Readonly<Record<string, string>>): HostFiles {
  const paths = Object.keys(contents);
  return {
    read: (path) => contents[path],
    names: (directory) => [
      ...new Set(
        paths
          .filter((path) => path.startsWith(`${directory}/`))
          .map((path) => path.slice(directory.length + 1).split('/')[0] ?? ''),
      ),
    ],
  };
}

const CPUINFO = [0, 1]
  .map((cpu) => `processor\t: ${cpu}\nvendor_id\t: AuthenticAMD\nmodel name\t: Imaginary 9 (TM)  \nprocessor id\t: 7\n`)
  .join('\n');

describe('a host', () => {
  it('is described by what its kernel says', () => {
    const files = filesOf({
      '/proc/cpuinfo': CPUINFO,
      '/proc/sys/kernel/osrelease': '6.12.0-amd64\n',
      [`${CPU}/vulnerabilities/meltdown`]: 'Not affected\n',
      [`${CPU}/vulnerabilities/retbleed`]: 'Mitigation: untrained return thunk\n',
      [`${CPU}/cpu0/cpufreq/scaling_governor`]: 'powersave\n',
      [`${CPU}/cpu1/cpufreq/scaling_governor`]: 'performance\n',
      [`${CPU}/cpu2/cpufreq/scaling_governor`]: 'powersave\n',
      [`${CPU}/cpufreq/boost`]: '1\n',
    });
    expect(describeHost(files, WHERE)).toEqual({
      kind: 'local',
      flavour: 'kvm_amd',
      processor: 'Imaginary 9 (TM)',
      cpus: 2,
      kernel: '6.12.0-amd64',
      mitigations: { meltdown: 'Not affected', retbleed: 'Mitigation: untrained return thunk' },
      governor: 'powersave, performance',
    });
  });

  it('of which nothing can be read is described too', () => {
    expect(describeHost(filesOf({}), WHERE)).toEqual({
      ...WHERE,
      processor: '',
      cpus: 0,
      kernel: '',
      mitigations: {},
      governor: null,
    });
  });

  it.each([
    ['0.52 0.58 0.59 1/389 1234\n', 0.52],
    ['12 0 0 1/1 1', 12],
    ['', null],
    ['none', null],
  ])('with /proc/loadavg %o has the load %o', (text, load) =>
    expect(loadOf(filesOf({ '/proc/loadavg': text }))).toBe(load),
  );

  it('without /proc/loadavg has a load that is not known', () => expect(loadOf(filesOf({}))).toBe(null));
});
