export { VmError, type VmErrorCode, type VmErrorKind } from './errors.js';
export type { Activity } from './machine/activity.js';
export type { CpuState } from './machine/cpu-state.js';
export { type EndReason, exitStatusOf, type MachineEnd } from './machine/end.js';
export { Machine } from './machine/machine.js';
export type { MachineOptions, ModuleOptions } from './machine/options.js';
export type { DeviceExit, PostMortem, VcpuPostMortem } from './machine/post-mortem.js';
export { describePostMortem } from './machine/post-mortem-words.js';
export type { MachineStats } from './machine/report.js';
