import { lacksFirmware } from '../machine/plan-machine.js';
import { type ImageOptions, imageOptions } from './image-options.js';

/** Names Debian's SeaBIOS, in place of a file. */
const SEABIOS = 'seabios';

/**
 * The options with Debian's SeaBIOS, where they ask for it, or the image needs a firmware and they name none.
 * @throws VmError
 */
export async function withFirmware<T extends ImageOptions>(image: string, options: T): Promise<T> {
  if (options.firmware !== SEABIOS && !lacksFirmware(imageOptions(image, options))) return options;
  const { seabios } = await import('../setup/firmware.js');
  return { ...options, firmware: await seabios((line) => void process.stderr.write(`vmlaunch: ${line}\n`)) };
}
