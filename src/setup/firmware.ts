import type { Progress } from './command.js';
import { ensurePackages } from './packages.js';

/**
 * The file of Debian's SeaBIOS, as it is: the build of 128 KiB, which has a floppy driver and the serial console.
 * @throws VmError SETUP_FAILED
 */
export async function seabios(progress: Progress): Promise<string> {
  const packages = await ensurePackages(['seabios'], progress);
  return packages.path('/usr/share/seabios/bios.bin');
}
