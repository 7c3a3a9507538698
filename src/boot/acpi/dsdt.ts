/** The Differentiated System Description Table: how to power off, and the devices that systems find only here. */
import { HOLE_START, IO_APIC_BASE } from '../../memory/map.js';
import {
  type Aml,
  busNumbers,
  device,
  eisaId,
  integer,
  ioPorts,
  irq,
  memoryWindow,
  name,
  packageOf,
  portWindow,
  resources,
  scope,
  string,
} from './aml.js';

/** SLP_TYP of soft-off, as `\_S5` gives it: what the guest writes to PM1 control with SLP_EN. */
export const S5_SLEEP_TYPE = 5;

const RTC_IRQ = 8;
const KEYBOARD_DATA_PORT = 0x60;
const KEYBOARD_COMMAND_PORT = 0x64;
const KEYBOARD_IRQ = 1;
const PCI_CONFIG_PORT = 0xcf8;
const PCI_CONFIG_PORTS = 8;
const LAST_PORT = 0xffff;
/** Video memory of a VGA. */
const VGA_MEMORY = { first: 0xa0000, last: 0xbffff } as const;
/** Present, enabled, shown, working (ACPI 6.4, 6.3.7). */
const STA_WORKING = 0xf;

interface DsdtOptions {
  readonly pvpanicPort: number;
  readonly serial: readonly { readonly port: number; readonly irq: number }[];
  readonly rtcPort: number;
}

/** The table's AML, without its header. */
export function dsdtBody({ serial, rtcPort, pvpanicPort }: DsdtOptions): Aml {
  const zero = integer(0);
  const sleepType = integer(S5_SLEEP_TYPE);
  return [
    ...name('\\_S5', packageOf(sleepType, sleepType, zero, zero)),
    ...scope(
      '\\_SB',
      pciHostBridge(),
      ...serial.map((port, i) => serialPort(i + 1, port)),
      device('RTC', name('_HID', eisaId('PNP0B00')), name('_CRS', resources(ioPorts(rtcPort, 2), irq(RTC_IRQ)))),
      device(
        'PS2K',
        name('_HID', eisaId('PNP0303')),
        name('_CRS', resources(ioPorts(KEYBOARD_DATA_PORT, 1), ioPorts(KEYBOARD_COMMAND_PORT, 1), irq(KEYBOARD_IRQ))),
      ),
      device(
        'PVPN',
        name('_HID', string('QEMU0001')),
        name('_STA', integer(STA_WORKING)),
        name('_CRS', resources(ioPorts(pvpanicPort, 1))),
      ),
    ),
  ];
}

function serialPort(number: number, { port, irq: line }: DsdtOptions['serial'][number]): Aml {
  return device(
    `COM${number}`,
    name('_HID', eisaId('PNP0501')),
    name('_UID', integer(number)),
    name('_CRS', resources(ioPorts(port, 8), irq(line))),
  );
}

/**
 * The PCI bus: number 0, all ports and the hole in memory less what belongs to the machine itself. Without a function
 * that interrupts there is no _PRT.
 */
function pciHostBridge(): Aml {
  return device(
    'PCI0',
    name('_HID', eisaId('PNP0A03')),
    name('_ADR', integer(0)),
    name('_BBN', integer(0)),
    name(
      '_CRS',
      resources(
        busNumbers(0, 0),
        ioPorts(PCI_CONFIG_PORT, PCI_CONFIG_PORTS),
        portWindow(0, PCI_CONFIG_PORT - 1),
        portWindow(PCI_CONFIG_PORT + PCI_CONFIG_PORTS, LAST_PORT),
        memoryWindow(VGA_MEMORY.first, VGA_MEMORY.last),
        memoryWindow(HOLE_START, IO_APIC_BASE - 1),
      ),
    ),
  );
}
