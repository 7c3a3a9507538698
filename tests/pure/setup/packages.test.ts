import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseExactDependencies, parseInstalled, parsePlan, parseVersion } from '../../../src/setup/apt.js';
import { run, tellingLine } from '../../../src/setup/command.js';
import { compareVersions, kernelsIn } from '../../../src/setup/kernel.js';
import { installCommand, missingOf, pathIn, unpackable } from '../../../src/setup/packages.js';

let root: string;

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'vmlaunch-packages-'));
});

afterEach(() => fs.rmSync(root, { recursive: true }));

/** Makes a file below `root`, or a link where the content begins with "-> ". */
function put(file: string, content = ''): void {
  const at = path.join(root, file);
  fs.mkdirSync(path.dirname(at), { recursive: true });
  if (content.startsWith('-> ')) fs.symlinkSync(content.slice(3), at);
  else fs.writeFileSync(at, content);
}

describe('what apt and dpkg print', () => {
  it('installed packages: only those that are wholly installed', () => {
    const output = 'installed make 4.3-4.1\nconfig-files old 1.0\nhalf-configured broken 2\ninstalled g++ 4:12.2.0-3\n';
    const installed = parseInstalled(output);
    expect([...installed]).toEqual([
      ['make', '4.3-4.1'],
      ['g++', '4:12.2.0-3'],
    ]);
    expect(missingOf(['make', 'old', 'broken', 'bochs'], installed)).toEqual(['old', 'broken', 'bochs']);
  });

  it('a simulated installation: new, upgraded, of another architecture, removed', () => {
    const plan = parsePlan(`NOTE: This is only a simulation!
Reading package lists...
The following packages will be REMOVED:
  busybox
Remv busybox [1:1.35.0-4+b3] [initramfs-tools-core:amd64 ]
Inst libaio1 (0.3.113-4 Debian:12.11/stable [amd64])
Inst libc6 [2.36-9+deb12u9] (2.36-9+deb12u10 Debian:12.11/stable [amd64]) []
Inst libfoo:i386 (1:2.0~rc1-3 Debian:12.11/stable [i386])
Conf libaio1 (0.3.113-4 Debian:12.11/stable [amd64])
`);
    expect(plan).toEqual({
      install: [
        { name: 'libaio1', version: '0.3.113-4', upgrade: false },
        { name: 'libc6', version: '2.36-9+deb12u10', upgrade: true },
        { name: 'libfoo:i386', version: '1:2.0~rc1-3', upgrade: false },
      ],
      remove: ['busybox'],
    });
    expect(unpackable(plan.install).map(({ name }) => name)).toEqual(['libaio1', 'libfoo:i386']);
  });

  it('a C library that is not installed at all is unpacked', () => {
    expect(unpackable([{ name: 'libc6', version: '2', upgrade: false }])).toHaveLength(1);
  });

  it('the package behind a metapackage', () => {
    const output = `Package: linux-image-cloud-amd64
Provides: wireguard-modules (= 1.0.0)
Depends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2), other (>= 3), a (= 1) | b
Built-Using: linux (= 6.1.192-2)
`;
    expect(parseExactDependencies(output)).toEqual([
      { name: 'linux-image-6.1.0-56-cloud-amd64', version: '6.1.192-2' },
    ]);
    expect(parseExactDependencies('')).toEqual([]);
  });

  it("a package's newest version, unless it is a name alone", () => {
    const output = 'Package: memtest86+\nVersion: 6.10-4\nDepends: debconf (>= 0.5) | debconf-2.0\n';
    expect(parseVersion(output)).toBe('6.10-4');
    expect(parseVersion('')).toBeUndefined();
  });

  it('one command for the person to type', () => {
    expect(installCommand(['g++', 'make'])).toBe(
      'sudo apt-get update && sudo apt-get install -y --no-install-recommends g++ make',
    );
  });
});

describe('a file of unpacked packages', () => {
  it('is found where it was unpacked', () => {
    put('usr/bin/bochs-bin');
    expect(pathIn(root, '/usr/bin/bochs-bin')).toBe(`${root}/usr/bin/bochs-bin`);
  });

  it('is found on either side of the merged /usr', () => {
    put('bin/busybox');
    put('usr/lib/x.so');
    expect(pathIn(root, '/usr/bin/busybox')).toBe(`${root}/bin/busybox`);
    expect(pathIn(root, '/lib/x.so')).toBe(`${root}/usr/lib/x.so`);
  });

  it('is found through links, absolute ones too, which stay within', () => {
    put('usr/share/vgabios/vgabios.bin');
    put('usr/share/bochs/VGABIOS-lgpl-latest', '-> ../vgabios/vgabios.bin');
    put('usr/share/bochs/absolute', '-> /usr/share/bochs/VGABIOS-lgpl-latest');
    expect(pathIn(root, '/usr/share/bochs/absolute')).toBe(`${root}/usr/share/vgabios/vgabios.bin`);
  });

  it("is the system's own where no package has it, or a link leads nowhere", () => {
    put('usr/bin/loop', '-> loop');
    put('usr/bin/dangling', '-> nowhere');
    for (const file of ['/usr/bin/env', '/usr/bin/loop', '/usr/bin/dangling']) expect(pathIn(root, file)).toBe(file);
  });
});

describe('kernels', () => {
  it('are ordered by their numbers', () => {
    const versions = ['6.1.0-9-amd64', '6.1.0-56-cloud-amd64', '5.10.0-99-amd64', '6.1.0-10-amd64', '6.12'];
    expect([...versions].sort(compareVersions)).toEqual([
      '5.10.0-99-amd64',
      '6.1.0-9-amd64',
      '6.1.0-10-amd64',
      '6.1.0-56-cloud-amd64',
      '6.12',
    ]);
    expect(compareVersions('6.1', '6.1')).toBe(0);
  });

  it('are found with their modules; others than kernels are not', () => {
    put('boot/vmlinuz-6.1.0-9-amd64');
    put('boot/vmlinuz-6.5.0');
    put('boot/vmlinuz', '-> vmlinuz-6.5.0');
    put('boot/config-6.5.0');
    put('boot/vmlinuz-6.6.0', '-> nowhere');
    put('usr/lib/modules/6.5.0/modules.dep');
    const kernels = kernelsIn(root).sort((a, b) => compareVersions(a.version, b.version));
    expect(kernels).toEqual([
      {
        version: '6.1.0-9-amd64',
        bzImage: `${root}/boot/vmlinuz-6.1.0-9-amd64`,
        modules: `${root}/lib/modules/6.1.0-9-amd64`,
      },
      { version: '6.5.0', bzImage: `${root}/boot/vmlinuz-6.5.0`, modules: `${root}/usr/lib/modules/6.5.0` },
    ]);
  });

  it('are not where there is no /boot', () => {
    expect(kernelsIn(root)).toEqual([]);
  });
});

describe('a command of set-up', () => {
  it('gives its standard output', async () => {
    expect(await run('sh', ['-c', 'echo out; echo noise >&2'])).toBe('out\n');
  });

  it('fails in one line that says why, with all that it printed as the cause', async () => {
    const failing = run('sh', ['-c', 'echo first; echo "E: No such package" >&2; echo last; exit 3'], { hint: 'Do.' });
    await expect(failing).rejects.toMatchObject({
      code: 'SETUP_FAILED',
      message: expect.stringMatching(/^sh .* failed \(status 3\): E: No such package$/s),
      hint: 'Do.',
      cause: { message: expect.stringContaining('first') },
    });
  });

  it('names the signal that ended it', async () => {
    await expect(run('sh', ['-c', 'kill -9 $$'])).rejects.toThrow(/SIGKILL/);
  });

  it('names a program that is not there', async () => {
    await expect(run('/nowhere/apt-get', ['update'])).rejects.toMatchObject({ code: 'SETUP_FAILED' });
  });

  it.each([
    ['a\nx.c:1: error: bad\nmake: stop\n', 'x.c:1: error: bad'],
    ['a\nb\n\n', 'b'],
    ['', ''],
  ])('the telling line of %j is %j', (output, line) => {
    expect(tellingLine(output)).toBe(line);
  });
});
