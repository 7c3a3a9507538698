import { lacksFirmware } from '../machine/machine.js';
import { seabios } from '../setup/firmware.js';
import { type ImageOptions, imageOptions } from './image-options.js';

/** The options with Debian's SeaBIOS, where the image needs a firmware and they name none. @throws VmError */
export async function withFirmware<T extends ImageOptions>(image: string, options: T): Promise<T> {
  if (!lacksFirmware(imageOptions(image, options))) return options;
  return { ...options, firmware: await seabios((line) => void process.stderr.write(`vmlaunch: ${line}\n`)) };
}
