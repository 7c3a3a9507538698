import type { Entry } from '../boot/plan.js';
import { VmError } from '../errors.js';
import type { Regs, Sregs } from '../kvm/abi/registers.js';
import type { Vcpu } from '../kvm/vcpu.js';
import { CR0_ET, CR0_PE, CR0_PG, CR4_PAE, EFER_LMA, EFER_LME, RFLAGS_RESERVED } from '../kvm/x86.js';

// Segment types (SDM volume 3, table 3-1)
const TYPE_CODE_READ_ACCESSED = 11;
const TYPE_DATA_WRITE_ACCESSED = 3;

type Segment = Sregs['cs'];

/** Gives the boot CPU the state that a boot plan's entry asks for. */
export function enter(vcpu: Vcpu, entry: Entry): void {
  if (entry.mode === 'reset') return; // KVM makes a vCPU in this state
  const sregs = vcpu.getSregs();
  vcpu.setSregs(entry.mode === 'real' ? realMode(sregs, entry) : flatMode(sregs, entry));
  const { rip, registers = {} } = entry;
  const regs: Regs = { ...vcpu.getRegs() };
  for (const name of Object.keys(regs) as (keyof Regs)[]) regs[name] = 0n;
  for (const [name, value] of Object.entries(registers)) regs[name as keyof typeof registers] = BigInt(value ?? 0);
  regs.rip = BigInt(entry.mode === 'real' ? rip & 0xffff : rip);
  regs.rflags = RFLAGS_RESERVED;
  vcpu.setRegs(regs);
}

function realMode(sregs: Sregs, { rip }: Entry): Sregs {
  const base = rip & ~0xffff;
  const zero = { base: 0n, selector: 0 };
  return {
    ...sregs,
    cs: { ...sregs.cs, base: BigInt(base), selector: base >>> 4 },
    ds: { ...sregs.ds, ...zero },
    es: { ...sregs.es, ...zero },
    ss: { ...sregs.ss, ...zero },
  };
}

function flatMode(sregs: Sregs, { mode, gdt, cr3 }: Entry): Sregs {
  if (gdt === undefined) throw new VmError('BUG', `an entry in ${mode} mode needs a descriptor table`);
  const long = mode === 'long';
  if (long && cr3 === undefined) throw new VmError('BUG', 'an entry in long mode needs page tables');
  const code = flatSegment(gdt.code, TYPE_CODE_READ_ACCESSED, long);
  const data = flatSegment(gdt.data, TYPE_DATA_WRITE_ACCESSED, false);
  return {
    ...sregs,
    cs: code,
    ds: data,
    es: data,
    fs: data,
    gs: data,
    ss: data,
    gdt: { ...sregs.gdt, base: BigInt(gdt.base), limit: gdt.limit },
    idt: { ...sregs.idt, base: 0n, limit: 0 },
    cr0: CR0_PE | CR0_ET | (long ? CR0_PG : 0n),
    cr3: BigInt(cr3 ?? 0),
    cr4: long ? CR4_PAE : 0n,
    efer: long ? EFER_LME | EFER_LMA : 0n,
  };
}

function flatSegment(selector: number, type: number, long: boolean): Segment {
  const limit = 0xffffffff;
  return {
    base: 0n,
    limit,
    selector,
    type,
    present: 1,
    dpl: 0,
    db: long ? 0 : 1,
    s: 1,
    l: long ? 1 : 0,
    g: 1,
    avl: 0,
    unusable: 0,
  };
}
